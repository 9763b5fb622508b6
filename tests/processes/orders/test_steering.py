"""Queues are paused and resumed while clusters take from them."""

from __future__ import annotations

import pytest

from django_q.models import Success, Task
from django_q.status import Stat
from django_q.tasks import async_batch, async_task, fetch, queue
from tests.waiting import comes, wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]
BOTH = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
#: Seconds for which nothing is taken: longer than a cluster takes to hear of a task.
QUIET_SECONDS = 1.5


def have_ended(ids: list[str]) -> bool:
    """Tell whether each task has ended, well or not."""
    return Task.objects.filter(id__in=ids).count() == len(ids)


@BOTH
def test_a_cluster_that_waits_on_the_server_takes_nothing_once_the_pause_was_called(
    broker, running_cluster
):
    running_cluster(workers=1)
    first = async_task("tests.tasks.multiply", 6, 7)
    wait_until(lambda: have_ended([first]))  # and now it waits

    queue().pause()
    ids = async_batch([("tests.tasks.multiply", (6, 7))] * 10)
    assert not comes(lambda: Success.objects.filter(id__in=ids).exists(), QUIET_SECONDS)
    assert broker.queue_size() == 10

    assert queue().resume()
    wait_until(lambda: have_ended(ids))


@BOTH
def test_a_pause_outlives_the_clusters(broker, running_cluster):
    cluster = running_cluster(workers=1)
    queue().pause()
    cluster.stop()
    task_id = async_task("tests.tasks.multiply", 6, 7)

    running_cluster(workers=1)
    assert not comes(lambda: fetch(task_id), QUIET_SECONDS)
    queue().resume()

    wait_until(lambda: have_ended([task_id]))


@BOTH
def test_delayed_retried_and_recovered_tasks_wait_for_the_end_of_a_pause(
    broker, running_cluster, tmp_path
):
    trace = tmp_path / "runs"
    trace.touch()
    cluster = running_cluster(workers=2, retry=4)
    options = {"retries": 2, "retry_delay": 0.5}
    retried = async_task("tests.tasks.raise_error", q_options=options)
    recovered = async_task("tests.tasks.trace", str(trace), 1, 3)
    wait_until(lambda: trace.read_text())
    queue().pause()
    delayed = async_task("tests.tasks.trace", str(trace), 2, 0, q_options={"run_after": 0.3})
    cluster.kill_all()  # what it had begun is to be run again

    running_cluster(workers=2, retry=4)
    runs = trace.read_text()
    assert not comes(lambda: trace.read_text() != runs or fetch(retried), 6)

    queue().resume()
    wait_until(lambda: have_ended([retried, recovered, delayed]))
    assert sorted(trace.read_text().split()) == ["1", "1", "2"]


@BOTH
def test_one_of_two_clusters_is_paused(broker, running_cluster):
    running_cluster(workers=1)
    running_cluster(workers=1)
    wait_until(lambda: len(Stat.get_all(broker)) == 2)
    one, other = (str(stat.cluster_id) for stat in Stat.get_all(broker))

    queue().pause(cluster=one)
    ids = async_batch([("tests.tasks.multiply", (6, 7))] * 20)
    wait_until(lambda: have_ended(ids))

    workers = {
        f"{stat.host}:{pid}"
        for stat in Stat.get_all(broker)
        for pid in stat.workers
        if str(stat.cluster_id) == other
    }
    assert {fetch(each).worker for each in ids} <= workers
