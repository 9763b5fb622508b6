"""Iterables and chains outlive the processes that work on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from django_q.models import Part
from django_q.tasks import Chain, async_iter, fetch, result
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

EITHER_BROKER = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


def lines(path: Path) -> list[str]:
    """Read the traces that tasks left."""
    return path.read_text().split() if path.exists() else []


def items(path: Path, count: int = 100) -> list[tuple]:
    """Make the arguments of tasks that leave a trace and take a while."""
    return [(str(path), number, 0.01) for number in range(count)]


@EITHER_BROKER
@pytest.mark.parametrize("victim", ["worker-1", "pusher", "monitor", "sentinel", "all"])
def test_an_iterable_survives_a_kill(
    broker: Any, running_cluster: Any, tmp_path: Path, victim: str
):
    cluster = running_cluster(retry=2)
    trace, told = tmp_path / "runs", tmp_path / "told"
    iterable = async_iter(
        "tests.tasks.trace", items(trace), chain=[("tests.tasks.touch", str(told))]
    )

    wait_until(lambda: len(lines(trace)) > 30)
    if victim == "all":
        cluster.kill_all()
        running_cluster(retry=2)
    else:
        cluster.kill(victim)

    assert result(iterable, wait=60_000) == list(range(100))
    assert fetch(iterable).success
    wait_until(lambda: len(lines(told)) == 1)
    wait_until(lambda: broker.queue_size() == broker.lock_size() == 0)
    assert Part.objects.count() == 0


def test_two_clusters_collate_an_iterable_once(broker: Any, running_cluster: Any, tmp_path: Path):
    running_cluster()
    running_cluster()
    told = tmp_path / "told"

    ids = [
        async_iter("math.floor", range(20), chain=[("tests.tasks.touch", str(told))])
        for _ in range(10)
    ]

    assert all(result(iterable, wait=60_000) == list(range(20)) for iterable in ids)
    wait_until(lambda: len(lines(told)) == 10)
    assert Part.objects.count() == 0


@pytest.mark.parametrize("victim", ["worker-1", "monitor"])
def test_a_chain_survives_a_kill(broker: Any, running_cluster: Any, tmp_path: Path, victim: str):
    cluster = running_cluster(retry=2, workers=1)
    trace = tmp_path / "runs"
    chain = Chain([("tests.tasks.trace", item) for item in items(trace, 60)])
    chain.run()

    wait_until(lambda: len(lines(trace)) > 10)
    cluster.kill(victim)

    # By count: the failure of a killed run is a row until the task has run again.
    wait_until(lambda: chain.current() == 60)
    assert chain.result() == list(range(60))
