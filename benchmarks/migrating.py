"""Migrate full tables while somebody writes to them, and tell how long the writes have taken.

``python -m benchmarks.migrating 1000000``; with ``DJANGO_Q_TEST_DATABASE=postgres`` or ``mysql``
on these. Prints the seconds of each migration and of the slowest write meanwhile, and fails when
that is a second.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import django
from django.core.management import call_command
from django.db import connection, connections
from django.test.runner import DiscoverRunner
from django.utils import timezone

#: The migration before those that are measured, and these.
BEFORE, MEASURED = "0023", ("0024", "0025", "0026")
#: No write may take that many seconds.
MAX_WRITE_SECONDS = 1
#: Rows that are added by one statement.
BATCH = 1000
#: Columns of a finished task that each release has written.
TASK_COLUMNS = ("id", "name", "func", "started", "stopped", "success", "attempt_count")


@dataclass
class Writer:
    """Adds a row to each table, again and again, as a process that knows the old columns does."""

    name: str = ""  #: of what happens meanwhile
    ended: threading.Event = field(default_factory=threading.Event)
    seconds: dict[str, list[float]] = field(default_factory=dict)  #: of the writes, by that name
    error: BaseException | None = None

    def run(self) -> None:
        """Write until it is ended."""
        number = 0
        try:
            while not self.ended.is_set():
                number += 1
                self.write("django_q_ormq", queued())
                self.write("django_q_task", finished(f"w{number}"))
                self.ended.wait(0.002)
        except BaseException as error:  # which the other thread raises
            self.error = error
        finally:
            connections.close_all()

    def write(self, table: str, row: dict[str, Any]) -> None:
        """Add a row, and note how long that takes."""
        begin, name = time.perf_counter(), self.name
        add_rows(table, [row])
        self.seconds.setdefault(name, []).append(time.perf_counter() - begin)


@contextmanager
def writer() -> Any:
    """Let a writer write while a block runs; raise its error afterwards."""
    writing = Writer()
    thread = threading.Thread(target=writing.run)
    thread.start()
    try:
        yield writing
    finally:
        writing.ended.set()
        thread.join()
    if writing.error:
        raise writing.error


def queued() -> dict[str, Any]:
    """Make the columns of a queued task."""
    return {"key": "shop", "payload": "x" * 300, "lock": stored(timezone.now())}


def finished(task_id: str) -> dict[str, Any]:
    """Make the columns of a finished task."""
    now = stored(timezone.now())
    values = (task_id, "four-words-of-name", "shop.tasks.send", now, now, True, 1)
    return {**dict(zip(TASK_COLUMNS, values, strict=True)), "args": "x" * 100, "result": "y" * 100}


def stored(moment: Any) -> Any:
    """Give the parameter by which a time is stored."""
    return connection.ops.adapt_datetimefield_value(moment)


def add_rows(table: str, rows: list[dict[str, Any]]) -> None:
    """Add rows by one statement."""
    columns = ", ".join(connection.ops.quote_name(name) for name in rows[0])
    marks = f"({', '.join(['%s'] * len(rows[0]))})"
    sql = f"INSERT INTO {table} ({columns}) VALUES {', '.join([marks] * len(rows))}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [value for row in rows for value in row.values()])


def fill(size: int) -> None:
    """Fill both tables, as they are before the migrations."""
    call_command("migrate", "django_q", BEFORE, verbosity=0)
    for start in range(0, size, BATCH):
        numbers = range(start, min(start + BATCH, size))
        add_rows("django_q_ormq", [queued()] * len(numbers))
        add_rows("django_q_task", [finished(f"{number:032}") for number in numbers])


def migrate() -> dict[str, tuple[float, float]]:
    """Migrate while somebody writes: the seconds of each, and of the slowest write meanwhile."""
    took = {}
    with writer() as writing:
        for name in MEASURED:
            writing.name, begin = name, time.perf_counter()
            call_command("migrate", "django_q", name, verbosity=0)
            took[name] = time.perf_counter() - begin
        writing.name = "after"
        time.sleep(0.1)
    return {name: (took[name], max(writing.seconds.get(name, [0]))) for name in MEASURED}


def main(sizes: list[int]) -> None:
    """Measure with each size."""
    django.setup()
    slowest = 0.0
    for size in sizes:
        runner = DiscoverRunner(verbosity=0, interactive=False)
        databases = runner.setup_databases()
        try:
            fill(size)
            print(f"{size:,} rows in each table on {connection.vendor}")
            for name, (seconds, write) in migrate().items():
                print(f"  {name}: {seconds:.2f} s, the slowest write {write * 1000:.0f} ms")
                slowest = max(slowest, write)
        finally:
            runner.teardown_databases(databases)
    if slowest >= MAX_WRITE_SECONDS:
        raise SystemExit(f"a write has taken {slowest:.2f} s, expected less than a second")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    main([int(size) for size in sys.argv[1:]] or [1_000_000])
