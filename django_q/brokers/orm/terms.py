"""Rows of tasks with terms: how they are added, replaced and ended, one of each unique key.

The row of a unique key has the digest of the key. A task that waits for the end of another one of
its key has another digest, from which that of the key can be told; it is taken as any row is, and
put back while the other one is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Greatest

from django_q.brokers.orm.table import MAX_IDS_PER_STATEMENT, receipt
from django_q.brokers.orm.task_rows import (
    LETTERS,
    TaskRows,
    holder_of,
    successor_of,
)
from django_q.brokers.terms import Enqueued, Terms
from django_q.models import Heartbeat, TaskKey
from django_q.servers.database_clock import moment_sql
from django_q.servers.statement_retry import report_in_doubt, retry_on_conflict

#: How often a row is tried to be added while others of its key come and go.
MAX_TRIES = 20
#: Seconds for which a task is put back at least, where another of its key has lost its lease.
MIN_PUT_BACK_SECONDS = 1
#: The ``delivery`` of a row that nobody holds from then on.
RELEASED_SQL = "delivery + 2 - (delivery & 1)"
COLUMNS = (
    *("key", "payload", "delivery", "task_id", "rank", "unique_digest", "unique_for", "lane"),
    *("lock", "expires"),
)


class TermRows(TaskRows):
    """The rows of one queue that have terms: adds, replaces and ends them."""

    @retry_on_conflict
    @report_in_doubt
    def enqueue(self, tasks: list[tuple[str, Terms]]) -> list[Enqueued]:
        """Add rows, all that are new or none."""
        with self.table.quick_commits():
            if len(tasks) == 1 and self.add_alone(*tasks[0]):
                found = [Enqueued(tasks[0][1].task_id)]
            else:
                with self.table.transaction():
                    found = self.add_all(tasks)
        if any(each.is_new for each in found):
            self.table.notify_after_commit()
        return found

    @retry_on_conflict
    def add_once(self, payload: str, terms: Terms | None, mark: str, seconds: float) -> bool:
        """Add a row, and a mark that expires. Returns False where another task has a key.

        Raises ``IntegrityError`` where the mark exists.
        """
        with transaction.atomic(self.table.alias):
            row = Heartbeat(key=mark, expires=self.table.time_expression(seconds))
            row.save(using=self.table.alias, force_insert=True)
            if terms:
                is_new = self.enqueue([(payload, terms)])[0].is_new
                if not is_new:
                    row.delete(using=self.table.alias)
                return is_new
            return bool(self.table.insert(payload))

    def add_alone(self, payload: str, terms: Terms) -> bool:
        """Add a row by one statement. Returns False where that is not enough."""
        if terms.idempotency:
            return False
        if terms.unique:
            return self.add_unique(payload, terms, self.digest(terms.unique))
        self.add_many([(payload, terms)])
        return True

    def add_all(self, tasks: list[tuple[str, Terms]]) -> list[Enqueued]:
        """Add rows in the order of the tasks, within a transaction."""
        if any(terms.unique or terms.idempotency for _, terms in tasks):
            return [self.add(payload, terms) for payload, terms in tasks]
        self.add_many(tasks)
        return [Enqueued(terms.task_id) for _, terms in tasks]

    def add(self, payload: str, terms: Terms) -> Enqueued:
        """Add a row unless another task has one of its keys, within a transaction."""
        if terms.idempotency and not self.claim(terms):
            return self.find_duplicate(terms) or self.add(payload, terms)
        found = self.add_if_unique(payload, terms)
        if terms.idempotency and not found.is_new:
            self.keys(digest=self.digest(terms.idempotency)).delete()
        return found

    def add_if_unique(self, payload: str, terms: Terms) -> Enqueued:
        """Add a row unless another task has its unique key, or behind that one."""
        if not terms.unique:
            self.add_many([(payload, terms)])
            return Enqueued(terms.task_id)
        digest = self.digest(terms.unique)
        for _ in range(MAX_TRIES):
            if self.add_unique(payload, terms, digest):
                return Enqueued(terms.task_id)
            if found := self.find_holder(terms) or self.find_kept(terms.unique):
                return found
            # Nobody has the key any more, or the task that has it may have a successor.
            if terms.is_successor and self.add_unique(payload, terms, successor_of(digest)):
                return Enqueued(terms.task_id)
        raise IntegrityError(f"a task of the unique key {terms.unique} could not be added")

    def add_many(self, tasks: list[tuple[str, Terms]]) -> None:
        """Add rows that have no keys."""
        rows = [self.row(payload, terms) for payload, terms in tasks]
        with self.connection.cursor() as cursor:
            sql = f"INSERT INTO {self.table.table} ({self.columns}) VALUES "
            if self.connection.vendor == "postgresql":  # whose driver sends rows one by one
                size = MAX_IDS_PER_STATEMENT // len(COLUMNS)
                for start in range(0, len(rows), size):
                    part = rows[start : start + size]
                    values = [value for _, parameters in part for value in parameters]
                    cursor.execute(sql + ", ".join(f"({each})" for each, _ in part), values)
            elif len(rows) == 1:
                cursor.execute(f"{sql} ({rows[0][0]})", rows[0][1])
            elif rows:
                cursor.executemany(f"{sql} ({rows[0][0]})", [parameters for _, parameters in rows])

    def add_unique(self, payload: str, terms: Terms, digest: str) -> bool:
        """Add a row with a digest that no other has. Returns False where another task has it.

        It waits for a transaction that is about to add such a row, or to take it away.
        """
        values, parameters = self.row(payload, terms, digest)
        conditions = []
        if digest < LETTERS:  # a successor is in nobody's way
            now, start = self.table.sql_time()
            keys = self.table.quote(TaskKey._meta.db_table)
            conditions = [
                f"NOT EXISTS (SELECT 1 FROM {self.table.table} AS others "
                "WHERE others.unique_digest = %s)",
                f"NOT EXISTS (SELECT 1 FROM {keys} WHERE digest = %s AND expires > {now})",
            ]
            parameters = [*parameters, successor_of(digest), digest, *start]
        where = " AND ".join(conditions) or "1 = 1"
        dual = " FROM DUAL" if self.connection.vendor == "mysql" else ""
        sql = f"INSERT INTO {self.table.table} ({self.columns}) SELECT {values}{dual} WHERE {where}"
        if self.connection.vendor in ("postgresql", "sqlite"):
            return self.change(f"{sql} ON CONFLICT DO NOTHING", parameters)
        try:
            with transaction.atomic(self.table.alias):
                return self.change(sql, parameters)
        except IntegrityError:
            return False

    @property
    def columns(self) -> str:
        """The columns of a row, quoted."""
        return ", ".join(map(self.table.quote, COLUMNS))

    def row(self, payload: str, terms: Terms, digest: str = "") -> tuple[str, list]:
        """Return the values of a row: SQL, and its parameters."""
        lock, start = self.due_sql(terms)
        in_seconds = None if terms.expires_at is not None else terms.expires_in
        expires, end = moment_sql(self.connection, in_seconds, terms.expires_at)
        values = [
            *(self.table.key, payload, self.table.FIRST_DELIVERY, terms.task_id, -terms.priority),
            *(digest or None, terms.unique_for if digest else None, terms.lane or None),
        ]
        return f"{', '.join(['%s'] * len(values))}, {lock}, {expires}", [*values, *start, *end]

    def change(self, sql: str, parameters: list) -> bool:
        """Run a statement. Returns whether it has changed a row."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.rowcount > 0

    def claim(self, terms: Terms) -> bool:
        """Keep a task's id for its idempotency key, unless another one's is kept."""
        digest, now = self.digest(terms.idempotency), self.table.time_expression()
        self.keys(digest=digest, expires__lte=now).delete()
        end, parameters = self.table.sql_time(terms.idempotency_for)
        is_mysql, keys = self.connection.vendor == "mysql", self.table.quote(TaskKey._meta.db_table)
        return self.change(
            f"INSERT {'IGNORE ' if is_mysql else ''}INTO {keys} "
            f"(digest, task_id, expires) VALUES (%s, %s, {end})"
            f"{'' if is_mysql else ' ON CONFLICT DO NOTHING'}",
            [digest, terms.task_id, *parameters],
        )

    def due_sql(self, terms: Terms) -> tuple[str, list]:
        """Return SQL for the time at which a task is due, not before now, and its parameters."""
        now, start = self.table.sql_time()
        due, parameters = moment_sql(self.connection, max(terms.delay, 0), terms.due_at)
        if due == now:  # by the clock of this machine
            return due, max(start, parameters)
        return f"GREATEST({now}, {due})", [*start, *parameters]

    @retry_on_conflict
    def replace(self, version: str, payload: str, terms: Terms) -> bool:
        """Replace payload and terms of a row that is not leased, unless it was changed since."""
        pk, _, fence = version.partition(".")
        (lock, start), (now, moment) = self.due_sql(terms), self.table.sql_time()
        expires, end = moment_sql(self.connection, terms.expires_in, terms.expires_at)
        quote = self.table.quote
        with self.table.transaction():
            replaced = self.change(
                f"UPDATE {self.table.table} SET payload = %s, {quote('rank')} = %s, "
                f"unique_for = %s, lane = %s, {quote('lock')} = {lock}, expires = {expires}, "
                f"attempts = 0, delivery = {RELEASED_SQL} WHERE id = %s AND {quote('key')} = %s "
                f"AND delivery = %s AND NOT {self.is_leased_sql(now)}",
                [
                    *(payload, -terms.priority, terms.unique_for, terms.lane or None),
                    *(*start, *end, int(pk), self.table.key, int(fence), *moment),
                ],
            )
            if replaced and terms.idempotency:
                self.claim(terms)
        if replaced:
            self.table.notify_after_commit()
        return replaced

    @retry_on_conflict
    def end(self, receipts: Iterable[str], statement: str, parameters: Iterable = ()) -> set[str]:
        """End deliveries by a statement, with what follows from that for their unique keys.

        Returns the receipts that were stale.
        """
        stale = set(receipts)
        for part in batched(sorted(stale), MAX_IDS_PER_STATEMENT):
            with self.table.transaction():
                held = self.held(part)
                if held:
                    sql = f"{statement} WHERE {self.table.pk_in(list(held))}"
                    self.table.execute(sql, [*parameters, *held])
                    self.release_keys(list(held.values()))
            stale -= {receipt(pk, row["delivery"]) for pk, row in held.items()}
        return stale

    def move_to_queue(self, ack_id: str, key: str) -> None:
        """End a delivery, and move its row to another queue, without its keys."""
        change = (
            f"UPDATE {self.table.table} SET {self.table.quote('key')} = %s, "
            f"{self.table.quote('lock')} = NULL, delivery = delivery + 1, "
            "unique_digest = NULL, task_id = NULL"
        )
        self.end([ack_id], change, [key])

    def delete(self, pk: int) -> bool:
        """Delete a row, even while it is leased."""
        with self.table.transaction():
            rows = self.table.rows.filter(pk=pk)
            digests = [each for each in rows.values_list("unique_digest", flat=True) if each]
            deleted = rows.delete()[0]
            self.promote(digests)
        return bool(deleted)

    def held(self, receipts: Iterable[str]) -> dict[int, dict[str, Any]]:
        """Lock the rows whose receipts are valid, and read them; by id."""
        fences = {int(pk): int(fence) for pk, _, fence in (e.partition(".") for e in receipts)}
        rows = self.table.rows.filter(pk__in=list(fences)).select_for_update()
        columns = ("pk", "delivery", "unique_digest", "unique_for", "tracked_id")
        return {
            row["pk"]: row for row in rows.values(*columns) if row["delivery"] == fences[row["pk"]]
        }

    def release_keys(self, ended: list[dict[str, Any]]) -> None:
        """Keep the keys of ended tasks that outlive them, and let their successors begin."""
        kept = [
            TaskKey(
                digest=row["unique_digest"],
                task_id=row["tracked_id"] or "",
                expires=self.table.time_expression(row["unique_for"]),
            )
            for row in ended
            if row["unique_digest"] and row["unique_for"]
        ]
        if kept:
            has_target = self.connection.features.supports_update_conflicts_with_target
            self.keys().bulk_create(
                kept,
                update_conflicts=True,
                unique_fields=["digest"] if has_target else None,
                update_fields=["task_id", "expires"],
            )
        self.promote([row["unique_digest"] for row in ended if row["unique_digest"]])

    def promote(self, digests: list[str]) -> None:
        """Let the tasks that wait for these keys have them, as nobody else has them any more."""
        rows = self.keyed_rows(map(successor_of, digests)) if digests else []
        lock, (now, start) = self.table.quote("lock"), self.table.sql_time()
        for row in rows:
            # One that was put back is due now; that it is taken at this moment is undone.
            self.table.execute(
                f"UPDATE {self.table.table} SET {lock} = CASE WHEN (delivery & 1) = 1 AND "
                f"{lock} > {now} THEN {now} ELSE {lock} END, attempts = 0, "
                f"delivery = {RELEASED_SQL}, unique_digest = %s "
                "WHERE id = %s AND unique_digest = %s",
                [*start, *start, holder_of(row.digest), row.pk, row.digest],
            )
        if rows:
            self.table.notify_after_commit()

    def put_back(self, successors: dict[str, str]) -> set[str]:
        """Put tasks back that were taken while another one has their key; the others get it.

        ``successors`` are digests by receipt. Returns the receipts of tasks that were put back.
        """
        return {ack_id for ack_id, digest in successors.items() if not self.begin(ack_id, digest)}

    @retry_on_conflict
    def begin(self, ack_id: str, digest: str) -> bool:
        """Give a task the key that it waits for; put it back where another one has that."""
        pk, _, fence = ack_id.partition(".")
        held = self.table.rows.filter(pk=pk, delivery=fence, unique_digest=digest)
        holder = self.all_rows.filter(unique_digest=holder_of(digest))
        with self.table.transaction():
            end = holder.values_list("lock", flat=True).first()
            if end is None:
                with contextlib.suppress(IntegrityError), transaction.atomic(self.table.alias):
                    return bool(held.update(unique_digest=holder_of(digest)))
            soon = self.table.time_expression(MIN_PUT_BACK_SECONDS)
            held.update(
                lock=Greatest(Value(end, DateTimeField()), soon) if end else soon,
                attempts=F("attempts") - 1,
                delivery=F("delivery") + 2,
            )
        return False

    @retry_on_conflict
    def clear_expired_keys(self, limit: int) -> int:
        """Delete kept keys that have expired. Returns how many."""
        now = self.table.time_expression()
        digests = list(self.keys(expires__lte=now).values_list("digest", flat=True)[:limit])
        deleted = 0
        for part in batched(digests, MAX_IDS_PER_STATEMENT):  # one may have been kept again since
            deleted += self.keys(digest__in=part, expires__lte=now)._raw_delete(self.table.alias)
        return deleted


def batched(items: list, size: int) -> Iterator[list]:
    """Cut a list into parts."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
