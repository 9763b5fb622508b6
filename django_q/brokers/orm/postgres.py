"""The ORM broker's table on PostgreSQL."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from struct import Struct
from typing import Any

from django_q.brokers.orm.prepared_statements import PreparedStatements, prepared_statements
from django_q.brokers.orm.table import ReturningTable, report_in_doubt, retry_on_conflict

#: The trigger that notifies of added rows; a migration makes it.
NOTIFY_TRIGGER_NAME = "django_q_ormq_notify"
#: The binary format of a float8 parameter.
FLOAT8 = Struct("!d")


class PostgresTable(ReturningTable):
    """The queue in PostgreSQL, which notifies waiting clusters of changes.

    A trigger notifies of rows whose ``delivery`` is 0, as producers of the predecessors add them.
    """

    INSERT_SQL = """
        INSERT INTO {table} ("key", "payload", "lock", "delivery")
        VALUES (%s::text, %s::text, {lock}, 1)
        RETURNING "id"
    """
    NOTIFY_SQL = "SELECT PG_NOTIFY(%s::text, '')"
    INSERT_MANY_SQL = """
        WITH added AS (
            INSERT INTO {table} ("key", "payload", "lock", "delivery")
            SELECT %s, payload, {lock}, 1 FROM UNNEST(%s::text[]) AS payload RETURNING "id"
        )
        SELECT ARRAY_AGG("id") FROM added
    """
    # The rows are selected in a step of its own, because a plain subquery may be run again and
    # would then lock more rows than its LIMIT. They are ordered by the columns of the index alone,
    # so that the server uses it, however long the queue. The condition is a range for the same
    # reason: without statistics the server expects few rows of a key, and reads and sorts all of
    # them, but it expects many in a range. At 100,000 rows: 37 ms by key, 3 ms by range. The UPDATE
    # gets an array of ctids, which can not change as the rows are locked. A join may read the whole
    # table, and so may an array of ids if the table was nearly empty when it was analysed. At
    # 60,000 rows: 16 ms for a join, 69 ms by ids, 2 ms by ctids.
    TAKE_SQL = """
        WITH due AS MATERIALIZED (
            SELECT ctid FROM {table}
            WHERE ("key", "lock") >= (%s, '-infinity') AND ("key", "lock") <= (%s, {now})
            ORDER BY "key", "lock" LIMIT %s FOR UPDATE SKIP LOCKED
        )
        UPDATE {table} SET "lock" = {lock}, "delivery" = "delivery" + 1, "attempts" = "attempts" + 1
        WHERE ctid = ANY(ARRAY(SELECT ctid FROM due))
        RETURNING "id", "payload", "delivery", "attempts"
    """
    TAKE_KEY_COUNT = 2

    #: The list of on-commit callbacks of the transaction that will notify when it commits.
    notifying_transaction: Any = None

    @cached_property
    def insert_statements(self) -> PreparedStatements:
        """The prepared statements that add a row and notify of it."""
        insert = self.INSERT_SQL.format(table=self.table, lock=self.sql_time()[0])
        return prepared_statements(insert, self.NOTIFY_SQL)

    @cached_property
    def channel(self) -> str:
        """The channel for changes of this queue, as the trigger names it: names are short."""
        return f"django_q_{sha256(self.key.encode()).hexdigest()[:16]}"

    @retry_on_conflict
    def insert(self, payload: str, delay: float = 0) -> int:
        """Add a row, and return its id."""
        values = [self.key.encode(), payload.encode(), FLOAT8.pack(delay)]
        added = self.insert_statements.run(self.connection, values, [self.channel.encode()])
        pk, notified = added or (super().insert(payload, delay), None)
        if notified is None:
            self.notify_after_commit()
        return int(pk)

    def notify_after_commit(self) -> None:
        """Notify waiting clusters as soon as they can see the rows that were added.

        Not in the transaction that adds them: the server lets transactions that notify commit one
        after the other, however many producers wait for its disk. With a disk that took 5 ms,
        sixteen producers added 180 rows a second that way, and 2,300 in this one; with a disk that
        took 0.1 ms, 2,800 and 4,300.
        """
        connection = self.connection
        if connection.in_atomic_block:
            if connection.run_on_commit is not self.notifying_transaction:
                connection.on_commit(self.notify, robust=True)
                self.notifying_transaction = connection.run_on_commit
        elif connection.get_autocommit():
            connection.on_commit(self.notify, robust=True)
        else:  # autocommit is off: Django calls nothing when such a transaction commits
            self.notify()

    @retry_on_conflict
    def has_notify_trigger(self) -> bool:
        """Return True if the trigger exists; it does not in tables made without migrations."""
        sql = "SELECT 1 FROM pg_trigger WHERE tgname = %s AND tgrelid = %s::regclass"
        return bool(self.fetch(sql, [NOTIFY_TRIGGER_NAME, self.table]))

    @retry_on_conflict
    @report_in_doubt
    def insert_many(self, payloads: list[str]) -> list[int]:
        """Add rows, all of them or none."""
        lock, parameters = self.sql_time()
        sql = self.INSERT_MANY_SQL.format(table=self.table, lock=lock)
        pks = self.fetch(sql, [self.key, *parameters, payloads])[0][0]
        self.notify_after_commit()
        return sorted(pks)

    @retry_on_conflict
    def due_in(self) -> float | None:
        """Return the seconds until the next row is due; None when there is none."""
        sql = (
            "SELECT EXTRACT(EPOCH FROM MIN(lock) - STATEMENT_TIMESTAMP())::float8 "
            f"FROM {self.table} WHERE key = %s"
        )
        return self.fetch(sql, [self.key])[0][0]

    @retry_on_conflict
    def notify(self) -> None:
        """Notify waiting clusters that there may be something to take."""
        self.execute(self.NOTIFY_SQL, [self.channel])
