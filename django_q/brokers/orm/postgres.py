"""The ORM broker's table on PostgreSQL."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from functools import cached_property, partial
from hashlib import sha256
from operator import itemgetter
from struct import Struct
from typing import Any

from django_q.brokers.orm.leases.kept_states import MIN_UNCANCELLED_RANK
from django_q.brokers.orm.leases.receipts import DIGITS, LETTERS, Taken, taken
from django_q.brokers.orm.orders.holds import seen_orders
from django_q.brokers.orm.prepared_statements import PreparedStatements, prepared_statements
from django_q.brokers.orm.table import ReturningTable
from django_q.servers.statement_retry import report_in_doubt, retry_on_conflict

#: The trigger that notifies of added rows; a migration makes it.
NOTIFY_TRIGGER_NAME = "django_q_ormq_notify"
#: The binary format of a float8 parameter.
FLOAT8 = Struct("!d")
#: The order of rows that are taken.
RANK_AND_ID = itemgetter(10, 0)
#: The time at which the server received the statement.
NOW = "STATEMENT_TIMESTAMP()"
#: Seconds for which it is taken as known whether rows have several ranks.
RANKS_CHECK_INTERVAL = 1


class PostgresTable(ReturningTable):
    """The queue in PostgreSQL, which notifies waiting clusters of changes.

    A trigger notifies of rows whose ``delivery`` is 0, as producers of the predecessors add them.
    """

    INSERT_SQL = """
        INSERT INTO {table} ("key", "payload", "lock", "delivery")
        VALUES (%s::text, %s::text, {lock}, 2)
        RETURNING "id"
    """
    NOTIFY_SQL = "SELECT PG_NOTIFY(%s::text, '')"
    # Each row is due a microsecond before the next. Where that is the same, the index has them in
    # the order in which the table keeps them, and gaps in it are not filled from first to last.
    INSERT_MANY_SQL = """
        WITH added AS (
            INSERT INTO {table} ("key", "payload", "lock", "delivery")
            SELECT %s, payload, {lock} - (%s - nth) * INTERVAL '1 microsecond', 2
            FROM UNNEST(%s::text[]) WITH ORDINALITY AS given (payload, nth) RETURNING "id"
        )
        SELECT ARRAY_AGG("id") FROM added
    """
    # The rows are selected in a step of its own, because a plain subquery may be run again and
    # would then lock more rows than its LIMIT. They are ordered by the columns of the index alone,
    # so that the server uses it, however long the queue. The condition is a range for the same
    # reason: without statistics the server expects few rows of a key, and reads and sorts all of
    # them, but it expects many in a range. At 100,000 rows: 37 ms by key, 3 ms by range. Where it
    # has last seen a few rows in many pages it sorts all the same, 60,000 in 55 ms and not in 8,
    # until it analyses the table again, which it does within a minute of so many rows. The CASE
    # leaves out delayed rows of a low rank; it is written so that the server expects it to leave
    # out few rows, or it would sort all again. The UPDATE gets an array of ctids, which can not
    # change as the rows are locked. A join may read the whole table, and so may an array of ids if
    # the table was nearly empty when it was analysed. At 60,000 rows: 16 ms for a join, 69 ms by
    # ids, 2 ms by ctids.
    TAKE_SQL = """
        WITH due AS MATERIALIZED (
            SELECT ctid FROM {table}
            WHERE ("key", "rank", "lock") >= (%s, -32768, '-infinity')
                AND ("key", "rank", "lock") <= (%s, {top_rank}, {now})
                AND CASE WHEN "rank" < 0 AND "lock" > {now} THEN 1 ELSE 0 END <> 1
                AND {no_orders}
            ORDER BY "key", "rank", "lock" LIMIT %s FOR UPDATE SKIP LOCKED
        )
        UPDATE {table} SET "lock" = {lock}, "delivery" = {delivery}, "attempts" = "attempts" + 1
        WHERE ctid = ANY(ARRAY(SELECT ctid FROM due))
        RETURNING "id", "payload", "delivery", "attempts",
            EXTRACT(EPOCH FROM "expires" - {now})::float8, "unique_digest",
            "state", "position", "cancelled", {version}, "rank"
    """
    # FOR KEY SHARE locks the table of orders in a mode for which a pause waits: see QueueHolds.
    # The server plans the first in 15 microseconds, and the second in 40.
    NO_ORDERS_SQL = 'NOT EXISTS (SELECT 1 FROM {orders} WHERE "is_active" FOR KEY SHARE)'
    NO_NAMED_ORDERS_SQL = """NOT EXISTS (
        SELECT 1 FROM {orders} WHERE "name" IN (%s, %s) AND "is_active" FOR KEY SHARE
    )"""
    VERSION_SQL = '(SELECT "version" FROM {orders} WHERE "name" = %s)'
    # Where rows have several ranks, each of them is looked at in turn, so that no delayed row is.
    # The server plans that for 0.2 ms longer, so it is asked once a second whether it is so, and
    # before a wait. Until it is known, ranks below 0 come first all the same, at a higher cost.
    # The server may read the table from its beginning for EXISTS, but not for MIN or LIMIT 1.
    RANKS_CHECK_SQL = """
        SELECT COALESCE((SELECT MIN("rank") FROM {table} WHERE "key" = %s), 0) < 0
            OR COALESCE((SELECT MAX("rank") FROM {table} WHERE "key" = %s), 0) > 0,
            (SELECT "id" FROM {table} WHERE "key" = %s AND "rank" IS NULL
            ORDER BY "key", "rank", "lock" LIMIT 1) IS NOT NULL,
            (SELECT "is_active" FROM {orders} WHERE "name" = %s),
            (SELECT CASE WHEN "is_active" THEN "version" ELSE -"version" END
            FROM {orders} WHERE "name" = %s), EXISTS (SELECT 1 FROM {orders} WHERE "is_active")
    """
    DUE_IN_SQL = """
        EXTRACT(EPOCH FROM MIN("lock") - {now})::float8
        FROM {table} WHERE "key" = %s AND "rank" = 0
    """
    DUE_OF_RANK_SQL = """
        SELECT queued.ctid, queued.* FROM {table} AS queued
        WHERE (queued."key", queued."rank", queued."lock") >= (%s, ranks."rank", '-infinity')
            AND (queued."key", queued."rank", queued."lock") <= (%s, ranks."rank", {now})
        ORDER BY queued."key", queued."rank", queued."lock" LIMIT %s
    """
    DUE_SQL = """
        SELECT of_rank.* FROM ranks, LATERAL ({due_of_rank} FOR UPDATE SKIP LOCKED) AS of_rank
        WHERE {no_orders} LIMIT %s
    """
    OLDEST_SQL = """
        SELECT ctid, * FROM {table} WHERE "lock" <= {now} AND "id" = (
            SELECT of_rank."id" FROM ranks, LATERAL ({due_of_rank}) AS of_rank
            ORDER BY of_rank."rank" >= {min_uncancelled}, of_rank."id" LIMIT 1
        ) AND {no_orders} FOR UPDATE SKIP LOCKED
    """
    TAKE_RANKED_SQL = """
        {ranks}, due AS MATERIALIZED ({due}), leased AS (
            UPDATE {table} SET "lock" = {lock}, "delivery" = {delivery}, "attempts" = "attempts" + 1
            WHERE ctid = ANY(ARRAY(SELECT ctid FROM due))
        )
        SELECT "id", "payload", {delivery}, "attempts" + 1,
            EXTRACT(EPOCH FROM "expires" - {now})::float8, "unique_digest",
            "state", "position", "cancelled", {version}
        FROM due ORDER BY "rank", "lock", "id"
    """
    FIRST_DELIVERY = 2
    ROW_INTERVAL = 1e-6
    # As prepared statements need them. What is not text is sent as a float, whatever the column.
    TEXT_PARAMETER, NUMBER_PARAMETER = "%s::text", "%s::float8"
    SUCCESSOR_SQL = f"TRANSLATE({{table}}.unique_digest, '{DIGITS}', '{LETTERS}')"

    #: Whether rows had several ranks, and when that was asked; monotonic.
    has_ranks, ranks_checked_at = False, -math.inf
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

    def add_row(self, connection: Any, sql: str, parameters: list, claim: tuple | None) -> bool:
        """Run a statement that adds a row, prepared where possible, and notify of the row.

        ``claim`` is a statement that has to change a row before. Returns whether the row was added.
        """
        if claim:
            sql = f"WITH claimed AS ({claim[0]} RETURNING 1) {sql}"
            parameters = [*claim[1], *parameters]
        statements = prepared_statements(sql, self.NOTIFY_SQL)
        values = [binary_parameter(value) for value in parameters]
        added = statements.run(connection, values, [self.channel.encode()])
        found, notified = added or (self.fetch(sql, parameters) or None, None)
        if found is not None and notified is None:
            self.notify_after_commit()
        return found is not None

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
        pks = self.fetch(sql, [self.key, *parameters, len(payloads), payloads])[0][0]
        self.notify_after_commit()
        return sorted(pks)

    @retry_on_conflict
    def take(self, limit: int, seconds: float) -> Taken:
        """Lease rows that are due for some seconds."""
        self.is_held = False
        if time.monotonic() - self.ranks_checked_at >= RANKS_CHECK_INTERVAL:
            self.check_ranks(self.RANKS_CHECK_SQL)
        if self.seen.is_held_back:
            with self.transaction():
                rows = self.holds.take_in_room(limit, partial(self.lease, seconds=seconds))
        else:
            rows = self.lease(limit, False, seconds)
        self.take_count += bool(rows)
        if rows and rows[0][9] is not None:
            self.seen = self.seen._replace(version=rows[0][9])
        return taken(rows)

    def lease(self, limit: int, is_cancelled: bool, seconds: float) -> list[tuple]:
        """Lease rows, by one statement unless they have several ranks; or only cancelled ones."""
        keys = [self.key] * 2
        names = self.order_condition[1]
        if self.has_ranks and not is_cancelled:
            rows, sql = self.take_oldest(seconds), self.take_sql(self.TAKE_RANKED_SQL, self.DUE_SQL)
            if left := limit - len(rows):
                known = [*keys, *keys, left, *names, left, seconds, *self.version_name]
                rows += self.fetch(sql, known)
            return rows
        # They are returned in no order. Ids are in that of the queue, but for delayed rows.
        sql = self.take_sql(self.TAKE_SQL, top_rank=MIN_UNCANCELLED_RANK - 1 if is_cancelled else 0)
        parameters = [*keys, *names, limit, seconds, *self.version_name]
        rows = self.fetch(sql, parameters)
        rows.sort(key=RANK_AND_ID)
        return rows

    @property
    def order_condition(self) -> tuple[str, list[str]]:
        """The condition that there are no orders but those that are known, and its parameters."""
        if self.seen.is_held_back:
            return "TRUE", []
        if not self.seen.are_any:
            return self.NO_ORDERS_SQL, []
        known = "" if self.seen.has_notices else self.holds.notices_name
        return self.NO_NAMED_ORDERS_SQL, [self.holds.name, known]

    @property
    def version_name(self) -> list[str]:
        """The name of the row with the version of the notices, where a take has to read it."""
        return [self.holds.notices_name] if self.seen.has_notices else []

    def take_oldest(self, seconds: float) -> list[tuple]:
        """Lease the row added first, of the first due ones of each rank, in one of many takes."""
        if not self.begins_with_oldest():
            return []
        sql = self.take_sql(self.TAKE_RANKED_SQL, self.OLDEST_SQL)
        known = [*[self.key] * 4, 1, *self.order_condition[1], seconds, *self.version_name]
        return self.fetch(sql, known)

    @retry_on_conflict
    def must_look_again(self) -> bool:
        """Return True if the last take did not look for all that it may take; ask for orders."""
        if self.seen.is_held_back:
            return False
        seen, had_ranks = self.seen, self.has_ranks
        self.check_ranks(self.RANKS_CHECK_SQL)
        return self.seen.has_more_than(seen) or self.has_ranks > had_ranks

    def check_ranks(self, sql: str, parameters: Iterable = ()) -> tuple:
        """Ask whether rows have another rank than 0, and for orders about the queue.

        Returns what the statement selects besides.
        """
        self.ranks_checked_at = time.monotonic()
        names = [self.holds.name, self.holds.notices_name]
        (row,) = self.fetch(self.sql(sql), [*[self.key] * 3, *names, *parameters])
        self.has_ranks, is_rank_missing, self.seen = *row[:2], seen_orders(*row[2:5])
        if is_rank_missing:
            self.fill_ranks()
        return row[5:]

    def take_sql(self, template: str, due: str = "", top_rank: int = 0) -> str:
        """Return a statement that leases rows, as far as it depends on what is known."""
        condition = self.order_condition[0]
        kind = template, due, top_rank, condition, self.seen.has_notices
        if kind not in self.take_texts:
            version = self.VERSION_SQL if self.seen.has_notices else "NULL::bigint"
            self.take_texts[kind] = self.sql(template, due, top_rank, condition, version)
        return self.take_texts[kind]

    @cached_property
    def take_texts(self) -> dict[tuple, str]:
        """The statements that lease rows, by what they depend on."""
        return {}

    def sql(
        self,
        template: str,
        due: str = "",
        top_rank: int = 0,
        condition: str = "",
        version: str = "",
    ) -> str:
        """Fill in a statement; ``due`` is one that selects the rows to lease."""
        names = {"table": self.table, "now": NOW, "orders": self.orders_table}
        names["no_orders"] = condition.format(**names)
        due_of_rank = self.DUE_OF_RANK_SQL.format(**names)
        return template.format(
            **names,
            lock=self.sql_time()[0],
            delivery=self.NEXT_DELIVERY_SQL,
            ranks=self.RANKS_SQL.format(**names),
            due=due.format(**names, due_of_rank=due_of_rank, min_uncancelled=MIN_UNCANCELLED_RANK),
            top_rank=top_rank,
            version=version.format(**names),
        )

    @retry_on_conflict
    def due_in(self) -> float | None:
        """Return the seconds until the next row is due; None when there is none."""
        seen = self.seen
        (due,) = self.check_ranks(f"{self.RANKS_CHECK_SQL}, {self.DUE_IN_SQL}", [self.key])
        if self.seen.has_more_than(seen):
            return 0.0  # the last take has taken nothing for that
        if not self.has_ranks:
            return due
        sql = f"{{ranks}} SELECT EXTRACT(EPOCH FROM ({self.NEXT_DUE_SQL}) - {NOW})::float8"
        return self.fetch(self.sql(sql), [self.key] * 3)[0][0]

    @retry_on_conflict
    def notify(self) -> None:
        """Notify waiting clusters that there may be something to take."""
        self.execute(self.NOTIFY_SQL, [self.channel])


def binary_parameter(value: str | float | None) -> bytes | None:
    """Return a parameter in the server's binary format, a number as a float8."""
    if value is None:
        return None
    return value.encode() if isinstance(value, str) else FLOAT8.pack(value)
