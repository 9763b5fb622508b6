"""The current time in SQL, by the clock of the database server on PostgreSQL and MySQL.

For other databases, and SQLite, which has no server, it is the clock of this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from django.db import connections, models
from django.db.models.expressions import RawSQL
from django.utils.timezone import get_default_timezone, is_naive, now


def sql_time(connection: Any, seconds: float = 0) -> tuple[str, list]:
    """Return SQL for the time in ``seconds`` from now, and its parameters."""
    return SQL_TIME_BY_VENDOR.get(connection.vendor, local_sql_time)(connection, seconds)


def time_expression(alias: str, seconds: float = 0) -> RawSQL:
    """Return an expression for the time in ``seconds`` from now, for a queryset."""
    return RawSQL(*sql_time(connections[alias], seconds), output_field=models.DateTimeField())


def database_now(alias: str) -> datetime:
    """Return the time in UTC by the clock of a database."""
    connection = connections[alias]
    if connection.vendor not in SQL_TIME_BY_VENDOR:
        return now().astimezone(timezone.utc)
    sql, parameters = sql_time(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql}", parameters)
        moment = cursor.fetchone()[0]
    if is_naive(moment):
        moment = moment.replace(tzinfo=connection.timezone or get_default_timezone())
    return moment.astimezone(timezone.utc)


def local_sql_time(connection: Any, seconds: float) -> tuple[str, list]:
    """Return a parameter with the time of this machine."""
    then = now() + timedelta(seconds=seconds) if seconds else now()
    # MySQL would give it back as text. Only the testing kit asks for this clock there.
    sql = "CAST(%s AS DATETIME(6))" if connection.vendor == "mysql" else "%s"
    return sql, [connection.ops.adapt_datetimefield_value(then)]


def postgresql_sql_time(connection: Any, seconds: float) -> tuple[str, list]:
    """Return SQL for the time at which the server received the statement."""
    return "STATEMENT_TIMESTAMP() + %s::float8 * INTERVAL '1 second'", [float(seconds)]


def mysql_sql_time(connection: Any, seconds: float) -> tuple[str, list]:
    """Return SQL for the time of the server, in the zone in which Django stores times there."""
    zone = connection.timezone or get_default_timezone()
    offset = datetime.now(timezone.utc).astimezone(zone).utcoffset() or timedelta()
    microseconds = (timedelta(seconds=seconds) + offset) // timedelta(microseconds=1)
    return "UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND", [microseconds]


SQL_TIME_BY_VENDOR: dict[str, Callable[[Any, float], tuple[str, list]]] = {
    "postgresql": postgresql_sql_time,
    "mysql": mysql_sql_time,
}


def moment_sql(connection: Any, seconds: float | None, at: float | None) -> tuple[str, list]:
    """Return SQL for a moment, and its parameters; the SQL is the same for each moment.

    It is ``at``, in seconds since the epoch, or else so many ``seconds`` from now, or else NULL.
    """
    if connection.vendor == "postgresql":
        relative = "STATEMENT_TIMESTAMP() + %s::float8 * INTERVAL '1 second'"
        return f"COALESCE(TO_TIMESTAMP(%s::float8), {relative})", [at, seconds]
    if at is None and seconds is None and connection.vendor != "mysql":
        return "%s", [None]
    moment = None if at is None else datetime.fromtimestamp(at, timezone.utc)
    if connection.vendor == "mysql":
        relative, parameters = mysql_sql_time(connection, seconds or 0)
        sql = f"COALESCE(CAST(%s AS DATETIME(6)), {relative})"
        return sql, [stored(connection, moment), *(parameters if seconds is not None else [None])]
    if moment is None and seconds is not None:
        moment = now() + timedelta(seconds=seconds)
    return "%s", [stored(connection, moment)]


def stored(connection: Any, moment: datetime | None) -> Any:
    """Return the parameter by which a moment is stored."""
    if moment is not None and is_naive(now()) and not is_naive(moment):
        zone = get_default_timezone() if connection.vendor in SQL_TIME_BY_VENDOR else None
        moment = moment.astimezone(zone).replace(tzinfo=None)  # None: that of now()
    return connection.ops.adapt_datetimefield_value(moment)


def epoch_seconds(connection: Any, moment: datetime) -> float:
    """Return a time that was read from a database in seconds since the epoch.

    Without USE_TZ it is in the zone of the database where that gives the time, else in that of
    this process, which is another one where Django has not set it.
    """
    if is_naive(moment) and connection.vendor in SQL_TIME_BY_VENDOR:
        moment = moment.replace(tzinfo=connection.timezone or get_default_timezone())
    return moment.timestamp()
