"""Rows of finished tasks, written many at a time.

By hand, because preparing a row in ``bulk_create`` costs more than all else that is done for a
task.
"""

from __future__ import annotations

import json
import pickle
from binascii import b2a_base64
from datetime import datetime, timezone
from functools import lru_cache
from operator import itemgetter
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.db.models.constants import OnConflict

from django_q.conf import Conf
from django_q.exceptions import contain_error
from django_q.models import Task
from django_q.models.columns.stored_values import as_json, from_json
from django_q.results.run_columns import begun_time
from django_q.text.error_text import error_summary

#: The columns in the order in which they are written.
TASK_COLUMNS = (
    "id",
    "name",
    "func",
    "hook",
    "args",
    "kwargs",
    "result",
    "group",
    "cluster",
    "started",
    "stopped",
    "success",
    "attempt_count",
    "options",
    "begun",
    "worker",
    "exception",
    "fingerprint",
    "attempts",
    "keep_until",
)
#: Emptied in a row that is replaced: the end that is saved is that of its last run.
EMPTIED_COLUMNS = ("rerun_at",)
#: The places of those that no row of most batches has a value for.
OFTEN_EMPTY = tuple(
    TASK_COLUMNS.index(name)
    for name in (
        *("hook", "group", "options", "exception", "fingerprint", "attempts", "keep_until"),
    )
)
#: Columns that hold any value.
PICKLED_COLUMNS = ("args", "kwargs", "result")
#: From so many rows on, PostgreSQL takes them faster by COPY: five times, measured at 500.
MIN_COPY_ROWS = 10


class PickledValue(bytes):
    """A value that is pickled already, so that it passes through processes unread."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: Any) -> tuple:
        # In half of the time that the method takes which subclasses of bytes have.
        return type(self), (bytes(self),)

    def open(self) -> Any:
        """Read the value; where that fails, as for a file that it stood on, say so in its place."""
        try:
            return pickle.loads(self)
        except BaseException as error:  # whatever its class raises
            contain_error(error)
            return UnreadableValue(f"This value can not be read: {error_summary(error)}")


class JSONValue(PickledValue):
    """A value that is JSON already, where nothing is to be unpickled."""

    __slots__ = ()

    def open(self) -> Any:
        """Read the value."""
        return from_json(self.decode())


class JSONTuple(JSONValue):
    """A tuple, which JSON writes as a list."""

    __slots__ = ()

    def open(self) -> Any:
        """Read the value."""
        value = super().open()
        return tuple(value) if isinstance(value, list) else value


class UnreadableValue(str):
    """Stands for a value that could not be read. It is for people, and travels to no other task."""

    def __reduce__(self) -> Any:
        raise TypeError(str(self))


def json_value(value: Any) -> JSONValue:
    """Encode a value, to pass through processes unread and without a pickle."""
    kind = JSONTuple if type(value) is tuple else JSONValue
    return kind(as_json(value).encode())


def as_json_value(value: Any) -> PickledValue:
    """Encode a value as JSON, unless it is encoded already."""
    return value if isinstance(value, PickledValue) else json_value(value)


def unpickled(value: Any) -> Any:
    """Read a value that came pickled."""
    return value.open() if isinstance(value, PickledValue) else value


def column_value(value: Any) -> str | None:
    """Encode a value as its column stores it: base64 of a pickle, or JSON."""
    if value is None:
        return None
    if isinstance(value, JSONValue):
        return value.decode()
    if Conf.SERIALIZER == "json":
        return as_json(unpickled(value))
    data = (
        value if isinstance(value, PickledValue) else pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    )
    return b2a_base64(data, newline=False).decode()


def insert(rows: list[dict[str, Any]], alias: str) -> None:
    """Insert rows, replacing those that are there and are no successes.

    Call it inside a transaction.
    """
    times = TimeWriter(alias)
    values = [
        (
            row["id"],
            row["name"],
            row["func"],
            row["hook"],
            column_value(row["args"]),
            column_value(row["kwargs"]),
            column_value(row["result"]),
            row["group"],
            row["cluster"],
            times.moment(row["started"]),
            times.moment(row["stopped"]),
            row["success"],
            row["attempt_count"],
            row["options"] and json.dumps(row["options"]),
            times.seconds(row["begun"]),
            row["worker"],
            row["exception"],
            row["fingerprint"],
            row["attempts"] and json.dumps(row["attempts"]),
            row["keep_until"] and times.moment(row["keep_until"]),
        )
        for row in rows
    ]
    columns, values = without_empty_columns(values)
    if copy_in(columns, values, alias):
        return
    with connections[alias].cursor() as cursor:
        cursor.executemany(insert_sql(alias, columns), values)


def without_empty_columns(values: list[tuple]) -> tuple[tuple[str, ...], list[tuple]]:
    """Leave out the columns in which no row has a value. Returns the others, and their values.

    To write nothing into one of them costs as much as to write something.
    """
    empty = [i for i in OFTEN_EMPTY if all(row[i] is None for row in values)]
    if not empty:
        return TASK_COLUMNS, values
    kept = [i for i in range(len(TASK_COLUMNS)) if i not in empty]
    return itemgetter(*kept)(TASK_COLUMNS), list(map(itemgetter(*kept), values))


class TimeWriter:
    """Makes parameters of times.

    Most times are UTC, and so are most databases that can not keep a time zone. To find that out
    for each time on its own costs as much as to insert the row.
    """

    def __init__(self, alias: str) -> None:
        connection = connections[alias]
        self.adapt = connection.ops.adapt_datetimefield_value
        has_zones = connection.features.supports_timezones
        self.is_utc = not has_zones and connection.timezone is timezone.utc
        #: What is written behind a time in UTC; None where the driver has to write it.
        self.zone = "" if self.is_utc else "+00" if connection.vendor == "postgresql" else None

    def moment(self, moment: datetime) -> Any:
        """Make the parameter of a time."""
        if self.is_utc and moment.tzinfo is timezone.utc:
            return moment.isoformat(" ")[:-6]
        return self.adapt(moment)

    def seconds(self, seconds: float | None) -> Any:
        """Make the parameter of a time in seconds since the epoch."""
        if seconds is None:
            return None
        if self.zone is None:
            return self.adapt(begun_time(seconds))
        whole = int(seconds)
        return f"{second_text(whole)}.{int((seconds - whole) * 1e6):06d}{self.zone}"


@lru_cache(maxsize=1024)
def second_text(seconds: int) -> str:
    """Write a second since the epoch. Many tasks of a batch begin in the same one."""
    return str(datetime.fromtimestamp(seconds, timezone.utc))[:-6]


def copy_in(columns: tuple[str, ...], values: list[tuple], alias: str) -> bool:
    """Write rows by COPY where there are many; False where that can not be done.

    COPY can not replace a row, so it gives way where one is there already.
    """
    connection = connections[alias]
    if connection.vendor != "postgresql" or len(values) < MIN_COPY_ROWS:
        return False
    with connection.cursor() as cursor:
        if not hasattr(cursor, "copy"):  # psycopg 2
            return False
        try:
            with (
                transaction.atomic(using=alias),
                connection.wrap_database_errors,
                cursor.copy(copy_sql(alias, columns)) as copy,
            ):
                for row in values:
                    copy.write_row(row)
        except IntegrityError:
            return False
    return True


def quoted_names(alias: str, columns: tuple[str, ...]) -> tuple[str, str]:
    """Quote the name of the table, and of columns in a row."""
    quote = connections[alias].ops.quote_name
    return quote(Task._meta.db_table), ", ".join(map(quote, columns))


@lru_cache(maxsize=64)
def copy_sql(alias: str, columns: tuple[str, ...]) -> str:
    """Write the statement that reads columns of rows from the client."""
    table, names = quoted_names(alias, columns)
    return f"COPY {table} ({names}) FROM STDIN"


@lru_cache(maxsize=64)
def insert_sql(alias: str, columns: tuple[str, ...]) -> str:
    """Write the statement that inserts a row, or replaces it unless it is a success.

    In a row that is replaced the columns which are not given become empty.
    """
    connection = connections[alias]
    table, names = quoted_names(alias, columns)
    marks = ", ".join(["%s"] * len(columns))
    sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"
    if connection.vendor == "mysql":
        return f"{sql} ON DUPLICATE KEY UPDATE {mysql_updates(alias)}"
    if not connection.features.supports_update_conflicts:
        return sql
    fields = [Task._meta.get_field(name) for name in (*TASK_COLUMNS, *EMPTIED_COLUMNS)]
    with_target = connection.features.supports_update_conflicts_with_target
    sql += " " + connection.ops.on_conflict_suffix_sql(
        fields,
        OnConflict.UPDATE,
        [field.column for field in fields[1:]],
        [Task._meta.pk.column] if with_target else [],
    )
    if with_target:
        sql += f" WHERE NOT {table}.{connection.ops.quote_name('success')}"
    return sql


def mysql_updates(alias: str) -> str:
    """Write the assignments that leave a success as it is.

    They are made one after the other, so the column that all of them ask comes last.
    """
    quote = connections[alias].ops.quote_name
    success = quote("success")
    names = (*TASK_COLUMNS, *EMPTIED_COLUMNS)
    columns = [quote(name) for name in names if name not in ("id", "success")]
    return ", ".join(f"{c} = IF({success}, {c}, VALUES({c}))" for c in (*columns, success))
