"""The ORM broker's table on PostgreSQL."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from struct import Struct
from typing import Any

from django_q.brokers.orm.prepared_statements import PreparedStatements, prepared_statements
from django_q.brokers.orm.table import ReturningTable, report_in_doubt, retry_on_conflict

#: What tells of added rows; a migration makes it.
NOTIFY_TRIGGER_NAME = "django_q_ormq_notify"
#: How PostgreSQL is sent a number.
FLOAT8 = Struct("!d")


class PostgresTable(ReturningTable):
    """The queue in PostgreSQL, which tells who waits of changes.

    A trigger tells of rows whose ``delivery`` is 0, as producers of the predecessors add them.
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
    # The rows are picked in a step of its own, because a plain subquery may be run again and would
    # then lock more rows than it was asked for. They are ordered as the index is and no further,
    # for that is what makes the server use it, however long the queue. So does the condition:
    # where there are no statistics yet, the server expects that few rows have a key, and reads and
    # sorts all of them, but that many are in a range. At 100,000 rows: 37 and 3 ms. Then they are
    # an array of where they are, for they are locked and stay there. To join them may take the
    # whole table, and so may an array of ids where the table was nearly empty when it was
    # analysed. At 60,000 rows: 16, 69 and 2 ms.
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

    #: The callbacks of the transaction that has been told to notify when it commits.
    notifying_transaction: Any = None

    @cached_property
    def insert_statements(self) -> PreparedStatements:
        """The statements that add a row and tell of it."""
        insert = self.INSERT_SQL.format(table=self.table, lock=self.sql_time()[0])
        return prepared_statements(insert, self.NOTIFY_SQL)

    @cached_property
    def channel(self) -> str:
        """The channel for changes of this queue, as the trigger names it; such names are short."""
        return f"django_q_{sha256(self.key.encode()).hexdigest()[:16]}"

    @retry_on_conflict
    def insert(self, payload: str, delay: float = 0) -> int:
        """Add a row, and return its id."""
        values = [self.key.encode(), payload.encode(), FLOAT8.pack(delay)]
        added = self.insert_statements.run(self.connection, values, [self.channel.encode()])
        pk, told = added or (super().insert(payload, delay), None)
        if told is None:
            self.notify_after_commit()
        return int(pk)

    def notify_after_commit(self) -> None:
        """Notify those who wait, as soon as they can see what was added.

        Not by the statement that adds it: the server lets one transaction that notifies commit
        after the other, however many producers wait for its disk. Where that took 5 ms, sixteen
        added 180 rows a second, and 2,300 now; where it took 0.1 ms, 2,800 and 4,300.
        """
        connection = self.connection
        if connection.in_atomic_block:
            if connection.run_on_commit is not self.notifying_transaction:
                connection.on_commit(self.notify, robust=True)
                self.notifying_transaction = connection.run_on_commit
        elif connection.get_autocommit():
            connection.on_commit(self.notify, robust=True)
        else:  # nothing is called when such a transaction commits
            self.notify()

    @retry_on_conflict
    def has_notify_trigger(self) -> bool:
        """Whether who listens is told of all rows: not in tables made without migrations."""
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
        """Tell in how many seconds the next row is due; None when there is none."""
        sql = (
            "SELECT EXTRACT(EPOCH FROM MIN(lock) - STATEMENT_TIMESTAMP())::float8 "
            f"FROM {self.table} WHERE key = %s"
        )
        return self.fetch(sql, [self.key])[0][0]

    @retry_on_conflict
    def notify(self) -> None:
        """Tell those who wait that there may be something to take."""
        self.execute(self.NOTIFY_SQL, [self.channel])
