"""Clusters of the release before take from the same queue, beside those of this one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils import timezone

from django_q.brokers.terms import Terms
from django_q.signing import SignedPackage
from django_q.tasks import async_task
from tests.earlier_release import CHECKOUT, EarlierCluster, earlier_release
from tests.processes.guarantees.traces import EITHER_BROKER, all_saved
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

#: Tasks of each kind, fewer than the results that are kept.
COUNT = 40


@pytest.fixture
def earlier_cluster(broker, transactional_db):
    """Start clusters of the release before, that work for the test's broker."""
    started = []

    def start(**options):
        started.append(EarlierCluster(**options))
        return started[-1].wait_ready()

    yield start
    for cluster in started:
        cluster.end()


def enqueue(broker, path, name, **options):
    """Enqueue a task with terms; its id."""
    task_id = uuid4().hex
    package = {
        "id": task_id,
        "name": name,
        "func": "tests.tasks.trace_package",
        "args": (str(path), name, 0.01),
        "kwargs": {},
        "started": timezone.now(),
    }
    terms = Terms(task_id, **options)
    assert broker.enqueue_task(SignedPackage.dumps(package), terms).is_new
    return task_id


def enqueue_mixed(broker, path):
    """Enqueue plain tasks and such with each kind of terms; their ids."""
    ids = []
    for number in range(COUNT):
        key = f"{number:032}"
        plain = ("tests.tasks.trace_package", str(path), f"plain-{number}", 0.01)
        ids += [
            async_task(*plain),
            enqueue(broker, path, f"tracked-{number}"),
            enqueue(broker, path, f"high-{number}", priority=1 + number % 100),
            enqueue(broker, path, f"low-{number}", priority=-1, expires_in=3600),
            enqueue(broker, path, f"later-{number}", delay=0.05 * number),
            enqueue(broker, path, f"unique-{number}", unique=key),
        ]
    return ids


def traces(path: Path) -> list[list[str]]:
    """List the names of the tasks that ran, each with the directory of the package."""
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_end(broker, ids):
    """Wait until all is saved, and nothing is left in the queue."""
    wait_until(lambda: all_saved(ids))
    wait_until(lambda: broker.queue_size() == broker.lock_size() == 0)


def names_left(broker, ids):
    """List what the broker still knows of tasks that have ended."""
    keys = [f"{number:032}" for number in range(COUNT)]
    found = [broker.find_duplicate(Terms("new", unique=key)) for key in keys]
    return [each for each in [*map(broker.find, ids), *found, *broker.list_tasks()] if each]


@EITHER_BROKER
def test_clusters_of_two_releases_share_a_queue(broker, running_cluster, earlier_cluster, tmp_path):
    trace = tmp_path / "traces"
    earlier_cluster(workers=2)
    running_cluster(workers=2)

    ids, more = enqueue_mixed(broker, trace), []

    def are_shared() -> bool:
        """Enqueue one plain task more, until both have run some: who is first is chance."""
        more.append(f"plain-more-{len(more)}")
        async_task("tests.tasks.trace_package", str(trace), more[-1], 0.01, save=False)
        packages = {package for name, package in traces(trace) if name.startswith("plain")}
        return packages == {str(earlier_release()), str(CHECKOUT)}

    wait_until(are_shared)
    wait_for_end(broker, ids)
    ran = traces(trace)
    assert set(Counter(name for name, _package in ran).values()) == {1}
    assert len(ran) == len(ids) + len(more)
    assert names_left(broker, ids) == []


@EITHER_BROKER
def test_what_a_killed_cluster_of_the_release_before_held_is_run(
    broker, running_cluster, earlier_cluster, tmp_path
):
    trace = tmp_path / "traces"
    earlier = earlier_cluster(workers=2, retry=2)
    ids = enqueue_mixed(broker, trace)
    wait_until(lambda: len(traces(trace)) > 20)

    earlier.kill_all()
    running_cluster(workers=2, retry=2)

    wait_for_end(broker, ids)
    ran = Counter(name for name, _package in traces(trace))
    assert len(ran) == len(ids)
    assert sum(count - 1 for count in ran.values()) <= 20
    assert names_left(broker, ids) == []


@EITHER_BROKER
def test_a_successor_of_what_the_release_before_has_taken_is_run(
    broker, running_cluster, earlier_cluster, tmp_path
):
    trace, key = tmp_path / "traces", "a" * 32
    first = enqueue(broker, trace, "first", unique=key)
    (delivery,) = broker.dequeue(wait=10)
    second = enqueue(broker, trace, "second", unique=key, is_successor=True)
    broker.release([delivery.ack_id])
    earlier_cluster(workers=1)
    running_cluster(workers=1)

    wait_for_end(broker, [first, second])

    assert sorted(name for name, _package in traces(trace)) == ["first", "second"]
    assert broker.find_duplicate(Terms("new", unique=key)) is None
