"""Classify errors of databases by their codes, whatever their class and language."""

from __future__ import annotations

from typing import Any

#: Codes of conflicts between transactions. PostgreSQL: serialization failure, deadlock. MySQL:
#: deadlock, lock wait timeout, record has changed since it was read.
CONFLICT_CODES = frozenset({"40001", "40P01", 1213, 1205, 1020})
#: Codes of MySQL errors that the client raises, not the server.
MYSQL_CLIENT_CODES = range(2000, 3000)
#: How those codes of PostgreSQL begin that mean the connection has ended.
DISCONNECT_CODE_PREFIXES = ("57P", "08")
#: Parts of the texts of conflicts, for SQLite and for drivers that give no code.
CONFLICT_TEXTS = (
    *("database is locked", "database table is locked", "Deadlock found", "try restarting"),
    *("could not serialize", "deadlock detected"),
)

#: The same for temporary errors, during which the database may still accept other rows.
BUSY_CODES = frozenset({"55P03", "57014", 1114, 1021, 3024, 1969})
BUSY_CODE_PREFIXES = ("53", "57P")
BUSY_TEXTS = (
    *("is locked", "deadlock detected", "try restarting", "could not serialize"),
    *("restart transaction", "canceling statement", "interrupted"),
    *("is full", "disk full", "space left"),
)


def code_of(error: BaseException) -> Any:
    """Return the server's code of an error; None where there is none."""
    cause = error.__cause__ or error
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return code or next((each for each in cause.args[:1] if isinstance(each, int)), None)


def is_conflict(error: BaseException) -> bool:
    """Return True if a transaction failed only because of a concurrent one.

    It was rolled back, and may succeed when it is repeated at once.
    """
    return code_of(error) in CONFLICT_CODES or any(text in str(error) for text in CONFLICT_TEXTS)


def in_doubt_text(error: BaseException) -> str:
    """Write the text of an error after which it is unknown whether a task was enqueued."""
    return (
        f"{' '.join(str(error).split()).rstrip('.')}. The task may be in the queue or not: the "
        "database was sent it, and the reply is lost. Enqueue it again if a second run does no "
        "harm."
    )


def is_disconnect(error: BaseException) -> bool:
    """Return True if an error means that the connection ended; the statement may have been run."""
    code = code_of(error)
    return (
        code is None or code in MYSQL_CLIENT_CODES or str(code).startswith(DISCONNECT_CODE_PREFIXES)
    )


def is_busy(error: BaseException) -> bool:
    """Return True if an error is temporary: the database is busy, or out of space for now."""
    code = code_of(error)
    return (
        code in CONFLICT_CODES
        or code in BUSY_CODES
        or (isinstance(code, str) and code.startswith(BUSY_CODE_PREFIXES))
        or any(word in str(error).lower() for word in BUSY_TEXTS)
    )
