"""A project that has Django keep a pool of connections to PostgreSQL."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections

from django_q.processes.supervision import process_start
from tests.clusters import run_as

POOL = {"min_size": 1, "max_size": 1}


def server_process(alias: str) -> int:
    """Name the process of the server that a connection talks to, by a statement."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def use_twice(alias: str, path: str) -> None:
    """Use a connection twice and write down which it was: the body of a process."""
    used = []
    for _ in range(2):
        used.append(server_process(alias))
        connections[alias].close()
    Path(path).write_text(json.dumps(used))


@pytest.fixture
def pooled(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Have Django keep a pool. Gives the alias."""
    connections[postgres].close()
    settings = connections.settings[postgres]
    monkeypatch.setitem(settings, "OPTIONS", {**settings["OPTIONS"], "pool": POOL})
    yield postgres
    connections[postgres].close()
    connections[postgres].close_pool()


@pytest.fixture
def used_by(pooled: str, tmp_path: Path, conf: Callable) -> Callable:
    """Start a process, each by the one before, and tell which connections the last has used."""
    conf(start_method="fork")

    def used_by(*names: str) -> list[int]:
        path = tmp_path / "used"
        run_as(names, f"{__name__}.use_twice", pooled, str(path))
        return json.loads(path.read_text())

    return used_by


def test_a_process_never_uses_a_connection_from_the_pool_of_its_parent(pooled, used_by):
    parents = server_process(pooled)

    assert parents not in used_by(process_start.SENTINEL, "worker-1")
    assert server_process(pooled)


def test_a_worker_keeps_a_pool(used_by):
    first, second = used_by(process_start.SENTINEL, "worker-1")
    assert first == second


@pytest.mark.parametrize(
    "name",
    [process_start.SENTINEL, process_start.PUSHER, process_start.MONITOR, process_start.SCHEDULER],
)
def test_no_other_process_has_use_for_a_pool(used_by, name):
    first, second = used_by(name)
    assert first != second
