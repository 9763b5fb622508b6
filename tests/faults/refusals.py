"""Servers that answer and refuse: a permission that is gone, a database that takes no rows."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.db import DatabaseError, connections

from django_q.models import OrmQ, Task
from tests.faults.driver import RETRY, Run
from tests.faults.faults import ALL, fault
from tests.faults.outages import TERMINATE
from tests.faults.rigs import ALIAS, USER
from tests.waiting import wait_until
from tests.workspace import workspace

#: What the scripts of the Redis broker do, and how they are called.
COMMANDS = """
evalsha eval zadd zrem zrange zrangebyscore zmscore hset hget hdel hmget hlen lpush rpush lpop
lrange ltrim set get exists blmove time client|id client|unblock
""".split()


@fault("commands refused", ("redis",), short=True)
def refuse_commands(run: Run) -> None:
    """Take one command or several away from the cluster's user of Redis for a while (ACL)."""
    run.instant()
    names = run.random.sample(COMMANDS, run.random.choice([1, 1, 1, 3]))
    run.parts = names
    with run.rig.server.client() as client:
        client.execute_command("ACL", "SETUSER", USER, *[f"-{name}" for name in names])
        try:
            take_a_while(run, run.random.uniform(0.5, RETRY))
        finally:
            client.execute_command("ACL", "SETUSER", USER, "+@all")


def take_a_while(run: Run, seconds: float) -> None:
    """Let a time pass in which nobody may extend leases."""
    for _ in range(int(seconds / RETRY) + 2):
        run.lapse()
    time.sleep(seconds)


@fault("results without a column", ALL, short=("redis",))
def rename_column(run: Run) -> None:
    """Take a column of the results away for a while, as before ``migrate``."""
    run.instant()
    with renamed(Task._meta.db_table, run.random.choice(["attempt_count", "cluster", "stopped"])):
        time.sleep(run.random.uniform(1, RETRY * 2))


@fault("queue without a column", ("sqlite", "postgres", "mysql"))
def rename_column_of_queue(run: Run) -> None:
    """Take a column of the queue away for a while, as before ``migrate``."""
    run.finish_producing()
    with renamed(OrmQ._meta.db_table, run.random.choice(["delivery", "attempts", "lock"])):
        take_a_while(run, run.random.uniform(1, RETRY * 2))


@contextlib.contextmanager
def renamed(table: str, column: str) -> Iterator[None]:
    """Give a column another name for the time of a block."""
    rename(table, column, "away")
    try:
        yield
    finally:
        rename(table, "away", column)


def rename(table: str, old: str, new: str) -> None:
    """Rename a column; a table that is busy is asked again."""

    def is_done() -> bool:
        with contextlib.suppress(DatabaseError), connections[ALIAS].cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
            return True
        return False

    wait_until(is_done)


@fault("database read-only", ("postgres",))
def make_read_only(run: Run) -> None:
    """Let PostgreSQL take no writes for a while (``default_transaction_read_only``)."""
    run.finish_producing()
    name = run.rig.database["NAME"]
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        cursor.execute(TERMINATE)
        take_a_while(run, run.random.uniform(1, RETRY * 2))
        cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        cursor.execute(TERMINATE)


@cache
def can_protect() -> bool:
    """Whether files can be made immutable here: by root, on a file system that knows of it."""
    file = Path(tempfile.mkdtemp(dir=workspace()), "file")
    file.touch()
    if not shutil.which("chattr") or protect(file, True):
        return False
    return not protect(file, False)


def protect(file: Path, is_on: bool) -> int:
    """Let nobody write to a file, root among them, or let them again; 0 where that was done."""
    command = ["chattr", "+i" if is_on else "-i", str(file)]
    return subprocess.run(command, capture_output=True).returncode


@fault("database file read-only", ("redis", "sqlite"), possible=can_protect)
def protect_database(run: Run) -> None:
    """Let nobody write to the SQLite file for a while."""
    if run.rig.kind == "sqlite":
        run.finish_producing()
    else:
        run.instant()
    files = [file for file in run.rig.folder.iterdir() if not file.name.endswith("-shm")]
    try:
        for file in files:
            protect(file, True)
        seconds = run.random.uniform(1, RETRY * 2)
        if run.rig.kind == "sqlite":  # the queue is in it
            take_a_while(run, seconds)
        else:
            time.sleep(seconds)
    finally:
        for file in files:
            protect(file, False)
