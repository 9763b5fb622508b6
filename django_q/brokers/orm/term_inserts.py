"""How rows of tasks with terms are added: by one statement each, wherever that is enough."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db import IntegrityError, transaction

from django_q.brokers.orm.leases.receipts import LETTERS, MAX_IDS_PER_STATEMENT, batched
from django_q.brokers.orm.table import QueueTable, ReturningTable
from django_q.brokers.orm.task_rows import TaskRows, successor_of
from django_q.brokers.terms import Enqueued, Terms
from django_q.models import TaskKey
from django_q.servers.database_clock import moment_sql, sql_time
from django_q.servers.statement_retry import report_in_doubt, retry_on_conflict

#: Databases that know what SQLite and PostgreSQL have in common.
RETURNING_VENDORS = ("postgresql", "sqlite")
#: How often a row is tried to be added while others of its key come and go.
MAX_TRIES = 20
COLUMNS = (
    *("key", "payload", "delivery", "task_id", "rank", "unique_digest", "unique_for", "lane"),
    *("lock", "expires"),
)


class TermInserts(TaskRows):
    """The rows of one queue that have terms: adds them."""

    def __init__(self, table: QueueTable) -> None:
        super().__init__(table)
        #: The statements that add a row, and claim a key, by what they depend on.
        self.insert_texts: dict[tuple[bool, bool, bool], str] = {}
        self.claim_texts: dict[tuple[str, str], str] = {}

    @retry_on_conflict
    @report_in_doubt
    def enqueue(self, tasks: list[tuple[str, Terms]]) -> list[Enqueued]:
        """Add rows, all that are new or none."""
        if len(tasks) == 1 and (alone := self.add_alone(*tasks[0])):
            return [alone]
        with self.table.quick_commits(), self.table.transaction():
            found = self.add_all(tasks)
        if any(each.is_new for each in found):
            self.table.notify_after_commit()
        return found

    def add_alone(self, payload: str, terms: Terms) -> Enqueued | None:
        """Add a row outside a transaction, or find who has its key. None where that is not enough.

        It has no transaction of its own, so that most tasks take one statement.
        """
        if (terms.idempotency and terms.unique) or not isinstance(self.table, ReturningTable):
            return None
        connection = self.connection  # once: each look-up of it takes long
        now, digest = sql_time(connection), self.digest(terms.unique)
        claim = self.claim_statement(connection, terms, now) if terms.idempotency else None
        added = self.insert_statement(connection, payload, terms, digest, now, bool(claim))
        if self.table.add_row(connection, *added, claim):
            return Enqueued(terms.task_id)
        return self.find_duplicate(terms)

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
        connection, interval = self.connection, self.table.ROW_INTERVAL
        now, rows = sql_time(connection), []
        for left, (payload, terms) in zip(reversed(range(len(tasks))), tasks, strict=True):
            earlier = left * interval
            then = sql_time(connection, -earlier) if earlier else now
            times, parameters = self.row(connection, payload, terms, "", then, earlier)
            rows.append((self.values_text(times), parameters))
        with connection.cursor() as cursor:
            sql = f"INSERT INTO {self.table.table} ({self.columns}) VALUES "
            if connection.vendor == "postgresql":  # whose driver sends rows one by one
                size = MAX_IDS_PER_STATEMENT // len(COLUMNS)
                for part in batched(rows, size):
                    values = [value for _, parameters in part for value in parameters]
                    cursor.execute(sql + ", ".join(f"({each})" for each, _ in part), values)
            elif rows:
                cursor.executemany(f"{sql} ({rows[0][0]})", [parameters for _, parameters in rows])

    def add_unique(self, payload: str, terms: Terms, digest: str) -> bool:
        """Add a row with a digest that no other has. Returns False where another task has it.

        It waits for a transaction that is about to add such a row, or to take it away.
        """
        connection = self.connection
        now = sql_time(connection)
        statement = self.insert_statement(connection, payload, terms, digest, now)
        if connection.vendor in RETURNING_VENDORS:
            return self.change(*statement)
        try:
            with transaction.atomic(self.table.alias):
                return self.change(*statement)
        except IntegrityError:
            return False

    def insert_statement(
        self,
        connection: Any,
        payload: str,
        terms: Terms,
        digest: str,
        now: tuple[str, list],
        is_claimed: bool = False,
    ) -> tuple[str, list]:
        """Return a statement that adds a row unless another has its digest, and its parameters.

        With ``is_claimed`` it follows the statement that claims the task's idempotency key.
        """
        times, parameters = self.row(connection, payload, terms, digest, now)
        is_holder = "" < digest < LETTERS  # a successor is in nobody's way
        if is_holder:
            parameters += [successor_of(digest), digest, *now[1]]
        kind = (bool(digest), is_holder, is_claimed)
        if kind not in self.insert_texts:
            self.insert_texts[kind] = self.insert_text(self.values_text(times), now[0], *kind)
        return self.insert_texts[kind], parameters

    def insert_text(
        self, values: str, now: str, has_digest: bool, is_holder: bool, is_claimed: bool
    ) -> str:
        """Return the text of a statement that adds a row."""
        vendor, text = self.connection.vendor, self.table.TEXT_PARAMETER
        source = " FROM DUAL" if vendor == "mysql" else ""
        if is_claimed and vendor == "postgresql":
            source = " FROM claimed"
        where = "1 = 1"
        if is_holder:
            where = (
                f"NOT EXISTS (SELECT 1 FROM {self.table.table} AS others "
                f"WHERE others.unique_digest = {text}) AND "
                f"NOT EXISTS (SELECT 1 FROM {self.keys_table} "
                f"WHERE digest = {text} AND expires > {now})"
            )
        end = " ON CONFLICT DO NOTHING" if has_digest and vendor in RETURNING_VENDORS else ""
        if vendor == "postgresql":
            end += " RETURNING 1"
        return (
            f"INSERT INTO {self.table.table} ({self.columns}) "
            f"SELECT {values}{source} WHERE {where}{end}"
        )

    @cached_property
    def columns(self) -> str:
        """The columns of a row, quoted."""
        return ", ".join(map(self.table.quote, COLUMNS))

    @cached_property
    def keys_table(self) -> str:
        """The name of the table of kept keys, quoted."""
        return self.table.quote(TaskKey._meta.db_table)

    def values_text(self, times: tuple[str, str]) -> str:
        """Return the SQL of the values of a row, with that of its two times."""
        text, number = self.table.TEXT_PARAMETER, self.table.NUMBER_PARAMETER
        return (
            f"{text}, {text}, {self.table.FIRST_DELIVERY}, {text}, {number}, {text}, {number}, "
            f"{text}, {', '.join(times)}"
        )

    def row(
        self,
        connection: Any,
        payload: str,
        terms: Terms,
        digest: str,
        now: tuple[str, list],
        earlier: float = 0.0,
    ) -> tuple[tuple[str, str], list]:
        """Return the values of a row that is added ``now``: SQL of its times, and all parameters.

        ``now`` is SQL for a time, and its parameters, some seconds ``earlier`` than it really is.
        """
        lock, start = self.due_sql(terms, now, earlier, connection)
        in_seconds = None if terms.expires_at is not None else terms.expires_in
        expires, end = moment_sql(connection, in_seconds, terms.expires_at)
        values = [self.table.key, payload, terms.task_id, -terms.priority, digest or None]
        values += (terms.unique_for if digest else None, terms.lane or None, *start, *end)
        return (lock, expires), values

    def change(self, sql: str, parameters: list) -> bool:
        """Run a statement. Returns whether it has changed a row."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.rowcount > 0

    def claim(self, terms: Terms) -> bool:
        """Keep a task's id for its idempotency key, unless another one's is kept."""
        connection = self.connection
        if connection.vendor == "mysql":
            digest, now = self.digest(terms.idempotency), self.table.time_expression()
            self.keys(digest=digest, expires__lte=now).delete()
        return self.change(*self.claim_statement(connection, terms, sql_time(connection)))

    def claim_statement(
        self, connection: Any, terms: Terms, now: tuple[str, list]
    ) -> tuple[str, list]:
        """Return a statement that changes a row where it keeps a task's id, and its parameters."""
        end, parameters = sql_time(connection, terms.idempotency_for)
        values = [self.digest(terms.idempotency), terms.task_id, *parameters]
        times, is_mysql = (end, now[0]), connection.vendor == "mysql"
        if times not in self.claim_texts:
            self.claim_texts[times] = self.claim_text(*times, is_mysql)
        return self.claim_texts[times], values if is_mysql else [*values, *now[1]]

    def claim_text(self, end: str, now: str, is_mysql: bool) -> str:
        """Return the text of a statement that keeps a task's id, with SQL for two times."""
        keys, text = self.keys_table, self.table.TEXT_PARAMETER
        sql = f"INTO {keys} (digest, task_id, expires) VALUES ({text}, {text}, {end})"
        if is_mysql:
            return f"INSERT IGNORE {sql}"
        return (
            f"INSERT {sql} ON CONFLICT (digest) DO UPDATE SET task_id = EXCLUDED.task_id, "
            f"expires = EXCLUDED.expires WHERE {keys}.expires <= {now}"
        )

    def due_sql(
        self, terms: Terms, now: tuple[str, list], earlier: float, connection: Any
    ) -> tuple[str, list]:
        """Return SQL for the time at which a task is due, not before now, and its parameters.

        ``now`` is SQL for a time, and its parameters, some seconds ``earlier`` than it really is.
        """
        (sql, start), is_local = now, now[0] == "%s"  # by the clock of this machine
        if is_local and terms.due_at is None and terms.delay <= 0:
            return now
        due, parameters = moment_sql(connection, max(terms.delay, 0) - earlier, terms.due_at)
        if is_local:
            return due, max(start, parameters)
        return f"GREATEST({sql}, {due})", [*start, *parameters]
