"""Rows of tasks with terms: how they are added, replaced and ended, one of each unique key.

The row of a unique key has the digest of the key. A task that waits for the end of another one of
its key has another digest, from which that of the key can be told; it is taken as any row is, and
put back while the other one is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Greatest

from django_q.brokers.contract.orders import REMOVED
from django_q.brokers.orm.leases.kept_states import (
    CANCELLED_RANK_OFFSET,
    MIN_UNCANCELLED_RANK,
    RELEASED_SQL,
)
from django_q.brokers.orm.leases.receipts import MAX_IDS_PER_STATEMENT, batched, by_fence, receipt
from django_q.brokers.orm.table import ReturningTable
from django_q.brokers.orm.task_rows import holder_of, successor_of
from django_q.brokers.orm.term_inserts import TermInserts
from django_q.brokers.terms import Terms
from django_q.models import Heartbeat, TaskKey
from django_q.servers.database_clock import moment_sql
from django_q.servers.statement_retry import retry_on_conflict

#: Seconds for which a task is put back at least, where another of its key has lost its lease.
MIN_PUT_BACK_SECONDS = 1


class TermRows(TermInserts):
    """The rows of one queue that have terms: adds, replaces and ends them."""

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

    @retry_on_conflict
    def replace(self, version: str, payload: str, terms: Terms) -> bool:
        """Replace payload and terms of a row that is not leased, unless it was changed since."""
        pk, _, fence = version.partition(".")
        now, moment = self.table.sql_time()
        lock, start = self.due_sql(terms, (now, moment), 0.0, self.connection)
        expires, end = moment_sql(self.connection, terms.expires_in, terms.expires_at)
        quote = self.table.quote
        with self.table.transaction():
            replaced = self.change(
                f"UPDATE {self.table.table} SET payload = %s, {quote('rank')} = %s, "
                f"unique_for = %s, lane = %s, {quote('lock')} = {lock}, expires = {expires}, "
                f"attempts = 0, state = NULL, {quote('position')} = NULL, "
                f"delivery = {RELEASED_SQL} WHERE id = %s AND {quote('key')} = %s "
                f"AND delivery = %s AND cancelled IS NULL AND NOT {self.is_leased_sql(now)}",
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
    def delete_unique(self, receipts: Iterable[str]) -> set[str]:
        """Delete rows that are held, whose keys end with them, and for which no task waits.

        Returns the other receipts; all of them where it takes more than one statement.
        """
        others = set(receipts)
        if not isinstance(self.table, ReturningTable):
            return others
        table = self.table.table
        for fence, pks in by_fence(receipts):
            sql = (
                f"DELETE FROM {table} WHERE {self.table.pk_in(pks)} AND delivery = %s AND "
                f"unique_for = 0 AND NOT EXISTS (SELECT 1 FROM {table} AS others WHERE "
                f"others.unique_digest = {self.table.SUCCESSOR_SQL.format(table=table)}) "
                "RETURNING id"
            )
            others -= {receipt(pk, fence) for (pk,) in self.table.fetch(sql, [*pks, fence])}
        return others

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
        quote, rank = self.table.quote, self.table.quote("rank")
        change = (
            f"UPDATE {self.table.table} SET {quote('key')} = %s, "
            f"{quote('lock')} = NULL, delivery = delivery + 1, "
            f"{rank} = CASE WHEN {rank} < {MIN_UNCANCELLED_RANK} "
            f"THEN {rank} - ({CANCELLED_RANK_OFFSET}) ELSE {rank} END, unique_digest = NULL, "
            f"task_id = NULL, state = NULL, {quote('position')} = NULL, cancelled = NULL"
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
            if held.filter(cancelled__isnull=False).update(unique_digest=None):
                return True  # it waits for nothing any more
            soon = self.table.time_expression(MIN_PUT_BACK_SECONDS)
            held.update(
                lock=Greatest(Value(end, DateTimeField()), soon) if end else soon,
                attempts=F("attempts") - 1,
                delivery=F("delivery") + 2,
            )
        return False

    def cancel(self, task_id: str, mark: str) -> str | None:
        """Mark a task as cancelled; see ``Broker.cancel_task``."""
        outcome = self.table.kept_states.cancel(task_id, mark, self.promote)
        if outcome == REMOVED:
            self.table.notify_after_commit()
        return outcome

    @retry_on_conflict
    def clear_expired_keys(self, limit: int) -> int:
        """Delete kept keys that have expired. Returns how many."""
        now = self.table.time_expression()
        digests = list(self.keys(expires__lte=now).values_list("digest", flat=True)[:limit])
        deleted = 0
        for part in batched(digests, MAX_IDS_PER_STATEMENT):  # one may have been kept again since
            deleted += self.keys(digest__in=part, expires__lte=now)._raw_delete(self.table.alias)
        return deleted
