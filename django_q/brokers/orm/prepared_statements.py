"""Statements that PostgreSQL keeps prepared, sent by libpq without the cursors in between."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from django_q.servers.connections import allows_raw_statements
from django_q.servers.database_errors import in_doubt_text

#: The format of a parameter: as the server keeps it, and with a length, so that nothing cuts it.
BINARY_FORMAT = 1
#: The names of psycopg for what a server says that has no such statement, has another of its
#: name, or has changed the table since. Nothing was run then.
STATEMENT_UNAVAILABLE_ERRORS = (
    "InvalidSqlStatementName",
    "DuplicatePreparedStatement",
    "FeatureNotSupported",
)


class PreparationState(Enum):
    """What a connection has had of the statements."""

    ONCE = 1  # they were run in the ordinary way: many a connection is never asked for them again
    PREPARED = 2  # the server knows them by their names
    REFUSED = 3  # the server did not, as behind a pooler, and is not told again


class PreparedStatements:
    """Statements for connections of psycopg 3 that are in no transaction.

    The server plans them once, and neither Django nor psycopg makes a cursor for them: an INSERT
    that waits for the disk takes three quarters of the time. They are sent in one piece, and each
    is a transaction of its own: one that ends a wait of others need not wait for the disk as well.
    Their names are made from their texts, so a pooler that hands a connection of the server to
    many has them or not, but never others.
    """

    def __init__(self, *statements: str) -> None:
        """Take statements, as for a cursor, but with the types of their parameters cast."""
        self.statements = [with_statement_name(with_numbered_parameters(sql)) for sql in statements]
        self.states: WeakKeyDictionary[Any, PreparationState] = WeakKeyDictionary()

    def run(self, connection: Any, *parameters: list[bytes]) -> list[bytes | None] | None:
        """Run them on a connection of Django's, with parameters in the server's binary format.

        Text is in UTF-8. Returns the first column of the first row of each, as text. Raises
        Django's error of the first, or of its COMMIT; one of a connection that fails before that
        is answered says that nobody knows. The others come to None where they failed. The whole
        is None where nothing was run and the statements are to be run in the ordinary way.
        """
        if not allows_raw_statements(connection):
            return None
        raw, psycopg = connection.connection, connection.Database
        if raw.pgconn.pipeline_status:  # that of a caller, who would have to end it first
            return None
        state = self.states.get(raw)
        if state in (None, PreparationState.REFUSED):
            self.states[raw] = state or (
                PreparationState.ONCE
                if supports_pipeline(psycopg, raw)
                else PreparationState.REFUSED
            )
            return None
        with connection.wrap_database_errors, raw.lock:
            try:
                results = raw.wait(self.exchange(psycopg, raw, parameters))
            except psycopg.Error as error:
                if type(error).__name__ not in STATEMENT_UNAVAILABLE_ERRORS:
                    raise
                self.states[raw] = PreparationState.REFUSED
                return None
            except BaseException:  # as of a time limit: what is on its way is not for the next
                connection.close()
                raise
        if raw.closed:  # it has failed behind the first, and what comes next shall not
            connection.close()
        return results

    def exchange(self, psycopg: Any, raw: Any, parameters: tuple) -> Iterator[Any]:
        """Talk to the server, as a cursor does: yield what is waited for, return the results."""
        if self.states[raw] is PreparationState.ONCE:
            for name, sql in self.statements:
                raw.pgconn.send_prepare(name, sql)
                raise_for_result(psycopg, raw, *(yield from psycopg.generators.execute(raw.pgconn)))
            self.states[raw] = PreparationState.PREPARED
        raw.pgconn.enter_pipeline_mode()
        for (name, _), values in zip(self.statements, parameters, strict=True):
            raw.pgconn.send_query_prepared(name, values, [BINARY_FORMAT] * len(values))
            raw.pgconn.pipeline_sync()
        replies: list[Any] = []
        try:
            yield from psycopg.generators.send(raw.pgconn)
            for _ in parameters:
                replies.append((yield from read_reply(psycopg, raw)))
            raw.pgconn.exit_pipeline_mode()
        except psycopg.OperationalError as error:  # the connection has failed
            if not replies:
                raise psycopg.OperationalError(in_doubt_text(error)) from error
        raise_for_result(psycopg, raw, replies[0])
        found = [each.get_value(0, 0) if is_success(psycopg, each) else None for each in replies]
        return found + [None] * (len(parameters) - len(found))


def read_reply(psycopg: Any, raw: Any) -> Iterator[Any]:
    """Read the reply to a statement, and behind it the end of the statement's transaction.

    Returns the error of COMMIT where that is what failed: nothing was done then. Raises the error
    of a connection that fails before it is known how the transaction has ended.
    """
    found = yield from next_result(psycopg, raw)
    while True:
        try:
            end = yield from next_result(psycopg, raw)
        except psycopg.OperationalError:
            if is_success(psycopg, found):
                raise
            return found  # and hung up
        if end.status == psycopg.pq.ExecStatus.PIPELINE_SYNC:
            return found
        if ends_connection(psycopg, end) and is_success(psycopg, found):  # it may come too late
            error = psycopg.errors.error_from_result(end, encoding=raw.info.encoding)
            raise psycopg.OperationalError(str(error))
        found = end


def next_result(psycopg: Any, raw: Any) -> Iterator[Any]:
    """Read what the server says next."""
    results = yield from psycopg.generators.fetch_many(raw.pgconn)
    if not results:
        raise psycopg.OperationalError("the connection is lost")
    return results[-1]


@lru_cache(maxsize=16)
def prepared_statements(*statements: str) -> PreparedStatements:
    """Give statements that all queues of a process share, as they share its connections."""
    return PreparedStatements(*statements)


def with_numbered_parameters(sql: str) -> bytes:
    """Number the parameters, as the server wants them."""
    first, *rest = sql.split("%s")
    return "".join([first, *(f"${n}{part}" for n, part in enumerate(rest, 1))]).encode()


def with_statement_name(sql: bytes) -> tuple[bytes, bytes]:
    """Give a statement its name."""
    return f"django_q_{sha256(sql).hexdigest()[:16]}".encode(), sql


def supports_pipeline(psycopg: Any, raw: Any) -> bool:
    """Whether a connection takes text in UTF-8, and several statements in one piece."""
    return raw.info.encoding == "utf-8" and psycopg.Pipeline.is_supported()


def is_success(psycopg: Any, result: Any) -> bool:
    """Whether a statement was run."""
    return result.status in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK)


def ends_connection(psycopg: Any, result: Any) -> bool:
    """Whether the server has ended the connection with these words."""
    severity = psycopg.pq.DiagnosticField.SEVERITY_NONLOCALIZED
    return result.error_field(severity) in (b"FATAL", b"PANIC")


def raise_for_result(psycopg: Any, raw: Any, result: Any) -> None:
    """Raise the error of a result, if it is one."""
    if not is_success(psycopg, result):
        raise psycopg.errors.error_from_result(result, encoding=raw.info.encoding)
