"""Run prepared statements of PostgreSQL by libpq, without the cursors of Django and psycopg."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from django_q.servers.connections import allows_raw_statements
from django_q.servers.database_errors import in_doubt_text

#: The binary format of a parameter: with a length, so that no NUL character ends it.
BINARY_FORMAT = 1
#: Errors of psycopg, by class name, after which nothing was run: the server has no such statement,
#: has another one of its name, or the table was changed since.
STATEMENT_UNAVAILABLE_ERRORS = (
    "InvalidSqlStatementName",
    "DuplicatePreparedStatement",
    "FeatureNotSupported",
)


#: The names of the statements that were prepared on a connection of the driver.
PREPARED_NAMES: WeakKeyDictionary[Any, set[bytes]] = WeakKeyDictionary()


class PreparationState(Enum):
    """How far the statements are prepared on a connection."""

    ONCE = 1  # run as ordinary ones: many connections never run them again
    PREPARED = 2  # the server has them by their names
    REFUSED = 3  # the server can not have them, or has lost them, as behind a pooler


class PreparedStatements:
    """Statements for connections of psycopg 3 that are in no transaction.

    The server plans them once, and neither Django nor psycopg makes a cursor for them: an INSERT
    that waits for the disk takes three quarters of the time. They are sent together, and each is a
    transaction of its own, so that a notification need not wait for the disk as well. Their names
    are digests of their texts: behind a pooler, which shares a connection of the server among many
    clients, a name stands for that statement or for none, but never for another one.
    """

    def __init__(self, *statements: str) -> None:
        """Take statements as for a cursor, whose parameters must be cast to their types."""
        self.statements = [with_statement_name(with_numbered_parameters(sql)) for sql in statements]
        self.states: WeakKeyDictionary[Any, PreparationState] = WeakKeyDictionary()

    def run(self, connection: Any, *parameters: list[bytes]) -> list[bytes | None] | None:
        """Run the statements on a Django connection, with parameters in the server's binary format.

        Text is in UTF-8. Returns the first column of the first row of each statement, as text; None
        for each that has no row, and for each but the first that failed. Raises Django's error of
        the first statement or its COMMIT; when the connection fails before their reply, the error
        says that the outcome is unknown. Returns None in place of the list when nothing was run:
        then the caller runs the statements in the ordinary way.
        """
        if not allows_raw_statements(connection):
            return None
        raw, psycopg = connection.connection, connection.Database
        if raw.pgconn.pipeline_status:  # a pipeline of the caller, which would have to end first
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
            except BaseException:  # as of a time limit: no other call may read these replies
                connection.close()
                raise
        if raw.closed:  # it failed after the first statement: let Django open another
            connection.close()
        return results

    def exchange(self, psycopg: Any, raw: Any, parameters: tuple) -> Iterator[Any]:
        """Send the statements and read their replies, in a generator that psycopg waits for."""
        if self.states[raw] is PreparationState.ONCE:
            known = PREPARED_NAMES.setdefault(raw, set())
            for name, sql in self.statements:
                if name in known:
                    continue
                raw.pgconn.send_prepare(name, sql)
                raise_for_result(psycopg, raw, *(yield from psycopg.generators.execute(raw.pgconn)))
                known.add(name)
            self.states[raw] = PreparationState.PREPARED
        raw.pgconn.enter_pipeline_mode()
        for (name, _), arguments in zip(self.statements, parameters, strict=True):
            raw.pgconn.send_query_prepared(name, arguments, [BINARY_FORMAT] * len(arguments))
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
        values = [first_value(psycopg, each) for each in replies]
        return values + [None] * (len(parameters) - len(values))


def read_reply(psycopg: Any, raw: Any) -> Iterator[Any]:
    """Read the reply to a statement, and then the end of the statement's transaction.

    Returns the error of COMMIT where that failed: then nothing was done. Raises the connection's
    error when it fails before it is known how the transaction has ended.
    """
    result = yield from next_result(psycopg, raw)
    while True:
        try:
            end = yield from next_result(psycopg, raw)
        except psycopg.OperationalError:
            if is_success(psycopg, result):
                raise
            return result  # the error, after which the server has closed the connection
        if end.status == psycopg.pq.ExecStatus.PIPELINE_SYNC:
            return result
        # The server is shut down: it may have committed before.
        if ends_connection(psycopg, end) and is_success(psycopg, result):
            error = psycopg.errors.error_from_result(end, encoding=raw.info.encoding)
            raise psycopg.OperationalError(str(error))
        result = end


def next_result(psycopg: Any, raw: Any) -> Iterator[Any]:
    """Read the server's next result. Raises ``OperationalError`` when the connection has ended."""
    results = yield from psycopg.generators.fetch_many(raw.pgconn)
    if not results:
        raise psycopg.OperationalError("the connection is lost")
    return results[-1]


@lru_cache(maxsize=16)
def prepared_statements(*statements: str) -> PreparedStatements:
    """Return statements that all queues of a process share, as they share its connections."""
    return PreparedStatements(*statements)


def with_numbered_parameters(sql: str) -> bytes:
    """Replace each ``%s`` by a numbered parameter, which the server expects."""
    first, *rest = sql.split("%s")
    return "".join([first, *(f"${n}{part}" for n, part in enumerate(rest, 1))]).encode()


def with_statement_name(sql: bytes) -> tuple[bytes, bytes]:
    """Return a statement with its name, a digest of its text."""
    return f"django_q_{sha256(sql).hexdigest()[:16]}".encode(), sql


def supports_pipeline(psycopg: Any, raw: Any) -> bool:
    """Return True if a connection is in UTF-8 and can send several statements at once."""
    return raw.info.encoding == "utf-8" and psycopg.Pipeline.is_supported()


def is_success(psycopg: Any, result: Any) -> bool:
    """Return True if a result is that of a statement that succeeded."""
    return result.status in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK)


def first_value(psycopg: Any, result: Any) -> bytes | None:
    """Return the first column of a result's first row; None for no row, and for an error."""
    return result.get_value(0, 0) if is_success(psycopg, result) and result.ntuples else None


def ends_connection(psycopg: Any, result: Any) -> bool:
    """Return True if a result is an error with which the server ends the connection."""
    severity = psycopg.pq.DiagnosticField.SEVERITY_NONLOCALIZED
    return result.error_field(severity) in (b"FATAL", b"PANIC")


def raise_for_result(psycopg: Any, raw: Any, result: Any) -> None:
    """Raise the error that a result stands for; do nothing for a success."""
    if not is_success(psycopg, result):
        raise psycopg.errors.error_from_result(result, encoding=raw.info.encoding)
