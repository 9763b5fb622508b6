"""Say what to do about errors that people meet in their first hour."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NoReturn

from django.apps import apps
from django.conf import settings

from django_q.exceptions import BrokerUnavailable
from django_q.servers.connections import redis_errors
from django_q.servers.database_errors import code_of

#: Codes of errors about a table or a column that does not exist, of PostgreSQL and MySQL.
MISSING_TABLE_CODES = frozenset({"42P01", "42703", 1146, 1054})
#: Parts of such errors of SQLite, and the prefix of the tables of this project in any of them.
MISSING_TABLE_TEXTS = ("no such table", "no such column", "has no column named")
OWN_TABLE_PREFIX = "django_q_"
#: Characters that are shown of the address of a server.
MAX_SHOWN_SERVER_LENGTH = 200
#: Hides user and password of a URL.
URL_CREDENTIALS = re.compile(r"(?<=://)[^/@]*@")


def with_advice(text: str, error: BaseException) -> str:
    """Add to the text of an error of a server what to do, where that is known."""
    advice = advice_about(error)
    return f"{text.rstrip(' .')}. {advice}" if advice and advice not in text else text


def advice_about(error: BaseException) -> str:
    """Return a sentence that says what to do about an error of a server; empty for most."""
    if not apps.is_installed("django_q"):
        return "'django_q' is not in INSTALLED_APPS: add it, and run manage.py migrate."
    if is_missing_table(error):
        return "The tables of django_q are not as this release needs them: run manage.py migrate."
    return redis_advice() if is_refused_connection(error) else ""


def is_missing_table(error: BaseException) -> bool:
    """Return True if a database lacks a table, or a column, of this project."""
    text = str(error)
    if code_of(error) in MISSING_TABLE_CODES:
        return True
    return OWN_TABLE_PREFIX in text and any(part in text for part in MISSING_TABLE_TEXTS)


def is_refused_connection(error: BaseException) -> bool:
    """Return True if no Redis server could be reached."""
    errors = redis_errors()
    if not errors or not isinstance(error, errors):
        return False
    return isinstance(error.__context__, OSError) or "connecting to" in str(error)


def redis_advice() -> str:
    """Say which server the settings name, without a password."""
    options: Any = getattr(settings, "Q_CLUSTER", None)
    options = options if isinstance(options, dict) else {}
    if options.get("django_redis"):
        return "Does the server of the cache run that Q_CLUSTER['django_redis'] names?"
    server = options.get("redis")
    if not server:
        return (
            "Q_CLUSTER names no broker, so Redis at localhost:6379 is meant: start it, or set "
            "'redis' to another server, or 'orm' to a database."
        )
    if isinstance(server, dict):
        server = (
            server.get("url") or f"{server.get('host', 'localhost')}:{server.get('port', 6379)}"
        )
    shown = URL_CREDENTIALS.sub("", str(server))[:MAX_SHOWN_SERVER_LENGTH]
    return f"Does the server run that Q_CLUSTER['redis'] names, {shown}?"


def add_advice(error: BaseException) -> None:
    """Add the advice about an error to its own text, for a caller who sees its traceback."""
    if error.args and isinstance(error.args[0], str):
        error.args = (with_advice(error.args[0], error), *error.args[1:])


def raise_advised(error: Exception) -> NoReturn:
    """Raise an error of a broker again, with advice in its text, while it is being handled.

    Where no Redis server could be reached it is a ``BrokerUnavailable``, and an instance of the
    driver's class as well, which callers may catch.
    """
    add_advice(error)
    if is_refused_connection(error) and not isinstance(error, BrokerUnavailable):
        raise unavailable(error) from error
    raise error


def unavailable(error: Exception) -> Exception:
    """Make the ``BrokerUnavailable`` of an error of a driver, with all that this one has."""
    kind = unavailable_class(type(error))
    made = kind.__new__(kind, *error.args)  # the driver's own __init__ may want other arguments
    made.args = error.args
    vars(made).update(vars(error))
    return made


@lru_cache(maxsize=16)
def unavailable_class(driver_error: type[Exception]) -> type[Exception]:
    """Make a class that is ``BrokerUnavailable`` and an error of a driver."""
    names = ("__module__", "__qualname__", "__doc__")
    own = {name: getattr(BrokerUnavailable, name) for name in names}
    return type(BrokerUnavailable.__name__, (BrokerUnavailable, driver_error), own)
