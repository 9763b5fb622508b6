"""What an error of a database says, whatever its class and in whatever language its text is."""

from __future__ import annotations

from typing import Any

#: Codes of transactions that have lost against another: PostgreSQL's could not be serialized or
#: ended a deadlock, and MySQL's ended a deadlock, waited for a lock, or read what has changed.
CONFLICT_CODES = frozenset({"40001", "40P01", 1213, 1205, 1020})
#: Codes of MySQL's errors that its clients make themselves.
MYSQL_CLIENT_CODES = range(2000, 3000)
#: How PostgreSQL's codes begin that tell of the end of a connection.
DISCONNECT_CODE_PREFIXES = ("57P", "08")
#: What errors say where there is no code to go by: SQLite, and drivers that keep it to themselves.
CONFLICT_TEXTS = (
    *("database is locked", "database table is locked", "Deadlock found", "try restarting"),
    *("could not serialize", "deadlock detected"),
)

#: The same of errors that pass, although the database may take another row meanwhile.
BUSY_CODES = frozenset({"55P03", "57014", 1114, 1021, 3024, 1969})
BUSY_CODE_PREFIXES = ("53", "57P")
BUSY_TEXTS = (
    *("is locked", "deadlock detected", "try restarting", "could not serialize"),
    *("restart transaction", "canceling statement", "interrupted"),
    *("is full", "disk full", "space left"),
)


def code_of(error: BaseException) -> Any:
    """Give the code by which the server calls an error; None where there is none."""
    cause = error.__cause__ or error
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return code or next((each for each in cause.args[:1] if isinstance(each, int)), None)


def is_conflict(error: BaseException) -> bool:
    """Whether a transaction has failed for no more than another one beside it.

    Nothing of it was done, and it may succeed when it is repeated at once.
    """
    return code_of(error) in CONFLICT_CODES or any(text in str(error) for text in CONFLICT_TEXTS)


def in_doubt_text(error: BaseException) -> str:
    """Write the text of an error after which nobody knows whether a task was enqueued."""
    return (
        f"{' '.join(str(error).split()).rstrip('.')}. The task may be in the queue or not: the "
        "database was sent it, and the reply is lost. Enqueue it again if a second run does no "
        "harm."
    )


def is_disconnect(error: BaseException) -> bool:
    """Whether an error is of a connection that has ended, and says nothing of the statement."""
    code = code_of(error)
    return (
        code is None or code in MYSQL_CLIENT_CODES or str(code).startswith(DISCONNECT_CODE_PREFIXES)
    )


def is_busy(error: BaseException) -> bool:
    """Whether an error of a database passes: it is busy, or has no room for now."""
    code = code_of(error)
    return (
        code in CONFLICT_CODES
        or code in BUSY_CODES
        or (isinstance(code, str) and code.startswith(BUSY_CODE_PREFIXES))
        or any(word in str(error).lower() for word in BUSY_TEXTS)
    )
