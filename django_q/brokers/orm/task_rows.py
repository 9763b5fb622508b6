"""Rows of unfinished tasks as others see them: lists, counts, and who has a unique key."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import md5
from typing import Any, NamedTuple

from django.db import models
from django.db.models.functions import Concat

from django_q.brokers.base import DEAD_SUFFIX
from django_q.brokers.orm.leases.kept_states import priority_of
from django_q.brokers.orm.leases.receipts import DIGITS, LETTERS, kept_state, receipt
from django_q.brokers.orm.table import QueueTable, ReturningTable
from django_q.brokers.terms import (
    DELAYED,
    LEASED,
    WAITING,
    Enqueued,
    QueueCounts,
    QueuedTask,
    Terms,
)
from django_q.models import OrmQ, TaskKey
from django_q.models.schedule_fields.due_times import database_time
from django_q.servers.database_clock import database_now, epoch_seconds, moment_sql

#: The names of all queues, one look into the index for each; the last row is NULL.
QUEUE_NAMES_SQL = """
    WITH RECURSIVE queues ("key") AS (
        SELECT MIN("key") FROM {table}
        UNION ALL
        SELECT (SELECT MIN(more."key") FROM {table} AS more WHERE more."key" > queues."key")
        FROM queues WHERE queues."key" IS NOT NULL
    )
    SELECT "key" FROM queues
"""
LETTERS_BY_DIGIT = str.maketrans(DIGITS, LETTERS)
DIGITS_BY_LETTER = str.maketrans(LETTERS, DIGITS)


def successor_of(digest: str) -> str:
    """Return the digest of a task that waits for that of a unique key."""
    return digest.translate(LETTERS_BY_DIGIT)


def holder_of(digest: str) -> str:
    """Return the digest of the unique key of a task that waits."""
    return digest.translate(DIGITS_BY_LETTER)


class KeyedRow(NamedTuple):
    """A row that has a unique key, or waits for one."""

    pk: int
    digest: str
    task_id: str
    delivery: int
    is_leased: bool


class TaskRows:
    """The unfinished tasks of one queue, and the keys that are kept for tasks."""

    def __init__(self, table: QueueTable) -> None:
        self.table = table

    @property
    def connection(self) -> Any:
        """This thread's connection to the database."""
        return self.table.connection

    def may_repeat(self, error: Exception) -> bool:
        """Return True if a failed statement can succeed when it is repeated."""
        return self.table.may_repeat(error)

    def digest(self, key: str) -> str:
        """Return the digest of a unique or idempotency key in this queue; empty for none."""
        return key and md5(f"{self.table.key}:{key}".encode(), usedforsecurity=False).hexdigest()

    def keys(self, **conditions: Any) -> models.QuerySet:
        """Return a queryset of kept keys, expired ones too."""
        return TaskKey.objects.using(self.table.alias).filter(**conditions)

    @property
    def must_lock_to_see_latest(self) -> bool:
        """Whether a transaction may not see what others have committed since it has begun."""
        return self.connection.vendor == "mysql" and self.connection.in_atomic_block

    def find_duplicate(self, terms: Terms) -> Enqueued | None:
        """Find the task that has a key of these terms."""
        found = self.find_kept(terms.idempotency)
        if found or not terms.unique:
            return found
        return self.find_holder(terms) or self.find_kept(terms.unique)

    def find_kept(self, key: str) -> Enqueued | None:
        """Find the task whose id is kept for a key."""
        if not key:
            return None
        keys = self.keys(digest=self.digest(key), expires__gt=self.table.time_expression())
        if self.must_lock_to_see_latest:
            keys = keys.select_for_update()
        task_id = keys.values_list("task_id", flat=True).first()
        return None if task_id is None else Enqueued(task_id, is_new=False)

    def find_holder(self, terms: Terms) -> Enqueued | None:
        """Find the task that has the unique key; None also where this one may wait for it."""
        digest = self.digest(terms.unique)
        rows = self.keyed_rows([digest, successor_of(digest)])
        for row in reversed(rows):  # the successor first
            if not row.is_leased:
                return Enqueued(row.task_id, is_new=False, version=receipt(row.pk, row.delivery))
        if len(rows) == 2 or (rows and not terms.is_successor):
            return Enqueued(rows[0].task_id, is_new=False)
        return None

    def keyed_rows(self, digests: Iterable[str]) -> list[KeyedRow]:
        """List the rows that have these digests, those of successors last."""
        digests = list(digests)
        now, parameters = self.table.sql_time()
        # One that is cancelled counts as leased: it can not be replaced.
        is_leased = (
            f"CASE WHEN {self.is_leased_sql(now)} OR cancelled IS NOT NULL THEN 1 ELSE 0 END"
        )
        sql = (
            f"SELECT id, unique_digest, task_id, delivery, {is_leased} "
            f"FROM {self.table.table} WHERE unique_digest IN ({', '.join(['%s'] * len(digests))})"
            f"{' LOCK IN SHARE MODE' if self.must_lock_to_see_latest else ''}"
        )
        rows = self.table.fetch(sql, [*parameters, *digests])
        return sorted(
            (KeyedRow(*row[:2], row[2] or "", row[3], bool(row[4])) for row in rows),
            key=lambda row: row.digest >= LETTERS[0],
        )

    def is_leased_sql(self, now: str) -> str:
        """Return SQL of the condition that a row is leased."""
        lock = self.table.quote("lock")
        return f"({lock} > {now} AND attempts > 0 AND (delivery & 1) = 1)"

    @property
    def all_rows(self) -> models.QuerySet:
        """A queryset of the rows of all queues: a condition on the queue may hide an index."""
        return OrmQ.objects.using(self.table.alias)

    def conditions(self, now: Any) -> dict[str, models.Q]:
        """Return the conditions of the states of rows, which are annotated with ``parity``.

        A successor that was put back waits, whenever it is looked at again.
        """
        is_put_back = models.Q(unique_digest__gte=LETTERS[0], attempts__lte=0, parity=1)
        is_leased = models.Q(lock__gt=now, attempts__gt=0, parity=1)
        is_plain = models.Q(unique_digest=None) | models.Q(unique_digest__lt=LETTERS[0])
        is_free = models.Q(parity=0) | (models.Q(attempts__lte=0) & is_plain)
        return {
            WAITING: models.Q(lock__lte=now) | is_put_back,
            DELAYED: models.Q(lock__gt=now) & is_free,
            LEASED: is_leased,
        }

    def find(self, task_id: str) -> QueuedTask | None:
        """Find an unfinished task by its id."""
        return next(iter(self.describe(self.all_rows.filter(tracked_id=task_id))), None)

    def page(self, state: str | None, after: str, limit: int) -> list[QueuedTask]:
        """List tasks of a state in the order of their ids."""
        rows = self.all_rows.filter(pk__gt=int(after or 0)).order_by("pk")
        if self.connection.vendor == "sqlite":  # or it would sort the whole queue
            rows = rows.annotate(queue=Concat("key", models.Value(""))).filter(queue=self.table.key)
        else:
            rows = rows.filter(key=self.table.key)
        if state is not None:
            conditions = self.conditions(self.table.time_expression())
            rows = rows.annotate(parity=models.F("delivery") % 2).filter(conditions[state])
        return self.describe(rows[:limit])

    def describe(self, rows: models.QuerySet) -> list[QueuedTask]:
        """Describe the rows of this queue."""
        rows = rows.annotate(now=self.table.time_expression())
        return [self.description(row) for row in rows if row.key == self.table.key]

    def description(self, row: Any) -> QueuedTask:
        """Describe a row, which is annotated with the time."""
        is_odd, is_due = row.delivery % 2 == 1, row.lock is None or row.lock <= row.now
        state = LEASED if row.attempts > 0 and is_odd else DELAYED
        if is_due or ((row.unique_digest or "") >= LETTERS[0] and is_odd and row.attempts <= 0):
            state = WAITING
        is_new = row.delivery <= self.table.FIRST_DELIVERY and row.lock is not None
        lock = row.lock and epoch_seconds(self.connection, row.lock)
        kept = kept_state(row.attempt_state, row.position, row.cancelled)
        return QueuedTask(
            row.payload,
            state,
            row.tracked_id or "",
            priority_of(row.rank),
            row.attempts,
            lock if state == WAITING and is_new else None,
            None if state == WAITING else lock,
            row.expires and epoch_seconds(self.connection, row.expires),
            str(row.pk),
            kept if any(kept) else None,
        )

    def count(self) -> QueueCounts:
        """Count the tasks by state, by one statement."""
        now = self.table.time_expression()
        conditions = self.conditions(now)
        is_new = models.Q(delivery__lte=self.table.FIRST_DELIVERY)
        found = self.table.rows.annotate(parity=models.F("delivery") % 2).aggregate(
            oldest=models.Min("lock", filter=models.Q(lock__lte=now) & is_new),
            now=models.Max(now),
            **{state: models.Count("pk", filter=each) for state, each in conditions.items()},
        )
        oldest, moment = found.pop("oldest"), found.pop("now")
        return QueueCounts(**found, oldest=oldest and (moment - oldest).total_seconds())

    def queue_names(self) -> list[str]:
        """List all queues that have tasks, by one look into the index for each."""
        if isinstance(self.table, ReturningTable):
            rows = self.table.fetch(QUEUE_NAMES_SQL.format(table=self.table.table), [])
            names = {name for (name,) in rows if name is not None}
        else:
            names = set(self.all_rows.order_by().values_list("key", flat=True).distinct())
        return sorted(name for name in names if not name.endswith(DEAD_SUFFIX))

    def size(self, is_due: bool) -> int:
        """Count the rows that could be delivered now, or those that could not.

        A task that waits for the end of another one is none that could, whenever it is looked at.
        """
        rows = self.all_rows.filter(unique_digest__gte=LETTERS[0]).values_list("key", "lock")
        locks = [lock for key, lock in rows if key == self.table.key]
        if not locks:
            return self.count_by_lock(is_due, *self.table.sql_time())
        # At one moment: a row that is due a moment later must not be counted twice, or not at all.
        moment = database_now(self.table.alias)
        count = self.count_by_lock(is_due, *moment_sql(self.connection, None, moment.timestamp()))
        blocked = sum(lock is not None and lock <= database_time(moment) for lock in locks)
        return count - blocked if is_due else count + blocked

    def count_by_lock(self, is_due: bool, now: str, moment: list) -> int:
        """Count the rows whose ``lock`` is until ``now``, in SQL with its parameters, or later."""
        lock, key = f"{self.table.quote('lock')} {'<=' if is_due else '>'} {now}", self.table.key
        counted = f"SELECT COUNT(*) FROM {self.table.table} WHERE {self.table.quote('key')} = %s"
        if not isinstance(self.table, ReturningTable):
            return self.table.fetch(f"{counted} AND {lock}", [key, *moment])[0][0]
        sql = (
            f"{self.table.RANKS_SQL.format(table=self.table.table)} SELECT ({counted} AND {lock} "
            f'AND "rank" IS NULL), ({counted} AND {lock} AND "rank" = ranks."rank") FROM ranks'
        )
        rows = self.table.fetch(sql, [key, key, *[key, *moment] * 2])
        return rows[0][0] + sum(count for _, count in rows)
