"""Classify errors of databases: by their codes, whatever their class and language, or by trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import Error, connections, transaction

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

#: The same for errors during which the database may still accept other rows, such as smaller ones:
#: it is busy, or its machine has refused it something. PostgreSQL: lock not available, query
#: canceled, damaged pages; insufficient resources, operator intervention, system errors. MySQL:
#: a full table or disk, time limits; a file that can not be written, no memory.
BUSY_CODES = frozenset(
    {
        *("55P03", "57014", "XX001", "XX002", 1114, 1021, 3024, 1969),
        *(3, 1026, 1037, 1041),
    }
)
BUSY_CODE_PREFIXES = ("53", "57P", "58")
BUSY_TEXTS = (
    *("is locked", "deadlock detected", "try restarting", "could not serialize"),
    *("restart transaction", "canceling statement", "interrupted"),
    *("is full", "disk full", "space left", "disk i/o error", "disk image is malformed"),
)


def code_of(error: BaseException) -> Any:
    """Return the server's code of an error; None where there is none."""
    cause = error.__cause__ or error
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return code or next((each for each in cause.args[:1] if isinstance(each, int)), None)


def is_of_database(error: BaseException) -> bool:
    """Whether it is an error of a database: those of other code may have its words and numbers."""
    return isinstance(error, Error) or hasattr(error.__cause__ or error, "sqlstate")


def is_conflict(error: BaseException) -> bool:
    """Return True if a transaction failed only because of a concurrent one.

    It was rolled back, and may succeed when it is repeated at once.
    """
    return is_of_database(error) and (
        code_of(error) in CONFLICT_CODES or any(text in str(error) for text in CONFLICT_TEXTS)
    )


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
    """Return True if an error is no fault of a row: the database is busy, or its disk fails it."""
    if not is_of_database(error):
        return False
    code = code_of(error)
    if code in CONFLICT_CODES or code in BUSY_CODES:
        return True
    if isinstance(code, str):  # an SQLSTATE says it all: the text may be that of a trigger
        return code.startswith(BUSY_CODE_PREFIXES)
    return any(word in str(error).lower() for word in BUSY_TEXTS)


def is_outage(error: BaseException, alias: str, write: Callable[[], Any]) -> bool:
    """Whether an error is no fault of what was written: the database is busy, or takes no write.

    ``write`` is a small one. It is the database that is asked, and not the class of the error:
    drivers have one for what is read-only, of an older schema or not permitted, and for a row that
    is at fault.
    """
    return is_busy(error) or not takes_writes(alias, write)


def takes_writes(alias: str, write: Callable[[], Any]) -> bool:
    """Return True if a database accepts what a function writes; roll that back.

    Any error means no: the database is away, read-only, not migrated, or this user may not.
    """
    try:
        with transaction.atomic(using=alias):
            write()
            if connections[alias].vendor == "postgresql":  # the deferred ones, as COMMIT would
                connections[alias].check_constraints()
            transaction.set_rollback(True, using=alias)
    except Exception:
        return False
    return True
