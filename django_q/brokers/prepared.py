"""A statement that PostgreSQL keeps prepared, sent by libpq without the cursors in between."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from django_q.connections import may_go_past_cursors

#: The format of a parameter: as the server keeps it, and with a length, so that nothing cuts it.
BINARY = 1
#: The names of psycopg for what a server says that has no such statement, has another of its
#: name, or has changed the table since. Nothing was run then.
REFUSALS = ("InvalidSqlStatementName", "DuplicatePreparedStatement", "FeatureNotSupported")


class Use(Enum):
    """What a connection has had of a statement."""

    ONCE = 1  # it was run in the ordinary way: many a connection is never asked for it again
    PREPARED = 2  # the server knows it by its name
    REFUSED = 3  # the server did not, as behind a pooler, or reads text in another encoding


class Prepared:
    """A statement for connections of psycopg 3 that are in no transaction.

    The server plans it once, and neither Django nor psycopg makes a cursor for it: an INSERT that
    waits for the disk takes three quarters of the time. Its name is made from its text, so a
    pooler that hands a connection of the server to many has it or not, but never another.
    """

    def __init__(self, sql: str) -> None:
        """Take the statement, as for a cursor, but with the types of its parameters cast."""
        first, *rest = sql.split("%s")
        self.sql = "".join([first, *(f"${n}{part}" for n, part in enumerate(rest, 1))]).encode()
        self.name = f"django_q_{sha256(self.sql).hexdigest()[:16]}".encode()
        self.uses: WeakKeyDictionary[Any, Use] = WeakKeyDictionary()

    def run(self, connection: Any, parameters: list[bytes]) -> bytes | None:
        """Run it on a connection of Django's, with parameters in the server's binary format,
        text in UTF-8.

        Returns the first column of the first row, as text; None where nothing was run and the
        statement is to be run in the ordinary way. Raises Django's errors.
        """
        if not may_go_past_cursors(connection):
            return None
        raw = connection.connection
        if raw.pgconn.pipeline_status:  # that of a caller, who would have to end it first
            return None
        use = self.uses.get(raw)
        if use in (None, Use.REFUSED):
            self.uses[raw] = use or (Use.ONCE if raw.info.encoding == "utf-8" else Use.REFUSED)
            return None
        psycopg = connection.Database
        with connection.wrap_database_errors, raw.lock:
            try:
                return raw.wait(self.exchange(psycopg, raw, parameters)).get_value(0, 0)
            except psycopg.Error as error:
                if type(error).__name__ not in REFUSALS:
                    raise
                self.uses[raw] = Use.REFUSED
                return None

    def exchange(self, psycopg: Any, raw: Any, parameters: list[bytes]) -> Iterator[Any]:
        """Talk to the server, as a cursor does: yield what is waited for, return the result."""
        if self.uses[raw] is Use.ONCE:
            raw.pgconn.send_prepare(self.name, self.sql)
            yield from answer(psycopg, raw)
            self.uses[raw] = Use.PREPARED
        raw.pgconn.send_query_prepared(self.name, parameters, [BINARY] * len(parameters))
        return (yield from answer(psycopg, raw))


def answer(psycopg: Any, raw: Any) -> Iterator[Any]:
    """Wait for the result of what a server was sent. Raises its error."""
    result = (yield from psycopg.generators.execute(raw.pgconn))[-1]
    if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
        raise psycopg.errors.error_from_result(result, encoding=raw.info.encoding)
    return result
