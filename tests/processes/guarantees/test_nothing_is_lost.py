"""Nothing accepted is lost, whatever is killed."""

from __future__ import annotations

import pytest

from django_q.tasks import async_task, fetch
from tests.processes.guarantees.traces import EITHER_BROKER, all_saved, enqueue_traces, runs
from tests.servers import RedisServer
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


ROLES = ["worker-1", "pusher", "monitor", "sentinel"]


@EITHER_BROKER
@pytest.mark.parametrize("role", ROLES)
def test_a_killed_process_loses_nothing(broker, running_cluster, tmp_path, role):
    cluster = running_cluster(retry=2)
    trace = tmp_path / "runs"
    ids = enqueue_traces(trace, 150, 0.01)

    wait_until(lambda: len(runs(trace)) > 30)
    cluster.kill(role)

    wait_until(lambda: all_saved(ids))
    assert len(runs(trace)) == 150
    # No more than what two workers and the pusher held.
    assert sum(count - 1 for count in runs(trace).values()) <= 20
    wait_until(lambda: broker.queue_size() == broker.lock_size() == 0)


@EITHER_BROKER
def test_a_killed_tree_loses_nothing(broker, running_cluster, tmp_path):
    cluster = running_cluster(retry=2)
    trace = tmp_path / "runs"
    ids = enqueue_traces(trace, 150, 0.01)

    wait_until(lambda: len(runs(trace)) > 30)
    cluster.kill_all()
    running_cluster(retry=2)

    wait_until(lambda: all_saved(ids))
    assert sum(count - 1 for count in runs(trace).values()) <= 20


def test_a_killed_redis_with_its_file_on_loses_nothing(conf, running_cluster, tmp_path):
    server = RedisServer(appendonly="yes", appendfsync="always").start()
    conf(redis=server.url)
    cluster = running_cluster(retry=2, redis=server.url)
    trace = tmp_path / "runs"
    ids = enqueue_traces(trace, 150, 0.01)

    wait_until(lambda: len(runs(trace)) > 30)
    server.kill()
    server.start()

    wait_until(lambda: all_saved(ids))
    assert len(runs(trace)) == 150
    cluster.end()
    server.stop()


def test_a_cluster_starts_before_its_redis(conf, running_cluster):
    server = RedisServer()
    conf(redis=server.url)
    cluster = running_cluster(ready=False, redis=server.url)
    cluster.wait_for("can not take tasks from the broker")

    server.start()

    task_id = async_task("tests.tasks.multiply", 2, 3)
    assert fetch(task_id, wait=60_000).result == 6
    cluster.end()
    server.stop()
