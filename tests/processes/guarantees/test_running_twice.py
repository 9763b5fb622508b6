"""Running twice is the exception: what keeps a task from a second run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from django_q.models import Success, Task
from django_q.tasks import async_batch, async_task, fetch
from tests.clusters import RunningCluster
from tests.outages import read_only, saved, unmigrated
from tests.processes.guarantees.traces import EITHER_BROKER, all_saved, enqueue_traces, runs
from tests.waiting import comes, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@EITHER_BROKER
def test_a_task_longer_than_retry_runs_once_while_its_cluster_lives(
    broker, running_cluster, tmp_path
):
    running_cluster(retry=2)
    running_cluster(retry=2)
    trace = tmp_path / "runs"

    (task_id,) = enqueue_traces(trace, 1, 8)

    wait_until(lambda: all_saved([task_id]))
    assert runs(trace) == {"0": 1}
    assert fetch(task_id).attempt_count == 1


def enqueue_behind_fast_ones(path: Path, *seconds: float) -> None:
    """Enqueue tasks behind so many fast ones that a cluster holds all of them at once."""
    slow = [("tests.tasks.trace", (str(path), number, each)) for number, each in enumerate(seconds)]
    async_batch([("tests.tasks.nothing",)] * 2000 + slow)


@EITHER_BROKER
def test_what_waits_behind_a_slow_task_goes_to_another_cluster(broker, running_cluster, tmp_path):
    busy = running_cluster(workers=1)
    trace = tmp_path / "runs"
    enqueue_behind_fast_ones(trace, 300, *[0] * 20)
    wait_until(lambda: runs(trace))

    running_cluster(workers=1)

    wait_until(lambda: len(runs(trace)) == 21)
    wait_until(lambda: Task.objects.filter(func="tests.tasks.trace").count() == 20)
    assert set(runs(trace).values()) == {1}
    assert {task.attempt_count for task in Task.objects.all()} == {1}
    busy.kill_all()


def test_a_task_that_waited_for_most_of_its_lease_runs_once(broker, running_cluster, tmp_path):
    cluster = running_cluster(workers=1, retry=4)
    trace = tmp_path / "runs"
    enqueue_behind_fast_ones(trace, 3.2, 4)
    wait_until(lambda: runs(trace))
    cluster.kill("pusher", signal.SIGSTOP)  # so that nothing is released
    running_cluster(workers=1, retry=4)

    wait_until(lambda: Task.objects.filter(func="tests.tasks.trace").count() == 2)

    assert runs(trace) == {"0": 1, "1": 1}
    cluster.kill_all()


OUTAGES = pytest.mark.parametrize("outage", [read_only, unmigrated])


@OUTAGES
@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_results_wait_for_a_database_that_takes_none_and_each_task_runs_once(
    request, on_postgres, make_broker, monkeypatch, tmp_path, outage, kind
):
    broker = make_broker(kind)
    if kind == "postgres":
        monkeypatch.setenv("DJANGO_Q_TEST_ORM", "default")
    cluster = RunningCluster(retry=2, save_limit=0)
    request.addfinalizer(cluster.end)
    cluster.wait_ready()
    trace = tmp_path / "runs"
    enqueue_traces(trace, 20, 0.01)
    wait_until(lambda: saved(on_postgres) == 20, timeout=30)
    lines = len(cluster.log().splitlines())

    began = [async_task("tests.tasks.trace", str(trace), 100 + n, 1.0) for n in range(2)]
    wait_until(lambda: len(runs(trace)) == 22, timeout=30)
    with outage(on_postgres):
        cluster.wait_for("results wait to be saved", timeout=30)
        if not (kind == "postgres" and outage is read_only):
            enqueue_traces(trace, 10, 0.01, first=200)
        held_up = len(runs(trace))
        comes(lambda: len(runs(trace)) > held_up + 2, 8)
        assert len(runs(trace)) <= held_up + 2  # nothing more is taken
        assert set(runs(trace).values()) == {1}
        complaints = cluster.log().splitlines()[lines:]
    if kind == "postgres" and outage is read_only:
        enqueue_traces(trace, 10, 0.01, first=200)

    wait_until(lambda: saved(on_postgres) == 32, timeout=60)
    assert set(runs(trace).values()) == {1}
    assert Success.objects.using(on_postgres).filter(id__in=began).count() == 2
    assert Task.objects.using(on_postgres).filter(success=False).count() == 0
    wait_until(lambda: broker.lock_size() == broker.queue_size() == 0, timeout=20)
    errors = [line for line in complaints if "ERROR" in line or "WARNING" in line]
    assert len(errors) < 20, "\n".join(errors)
    cluster.wait_for("results are saved again")
