"""The cluster and its process bodies by their public names, as predecessors have them."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import uuid
from multiprocessing import Event, Queue, Value

import psutil
import pytest

from django_q.cluster import Cluster, Sentinel, Stat, Status, monitor, pusher, worker
from django_q.conf import Conf
from django_q.models import Failure, Success, Task
from django_q.queues import Flag
from django_q.queues import Queue as OwnQueue
from django_q.servers import connections
from django_q.tasks import async_batch, async_task, fetch, result
from tests.waiting import DEADLINE, wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def cluster(broker, conf):
    """Make a cluster that has stopped when the test is over."""
    conf(workers=1, scheduler=False, stop_timeout=5)
    made = Cluster(broker)
    yield made
    made.stop()


def test_a_cluster_starts_and_stops(cluster):
    assert cluster.sentinel is None
    assert cluster.stat.status == Conf.STOPPED
    assert cluster.stop() is False

    assert cluster.start() == os.getpid()

    assert cluster.sentinel.is_alive()
    assert cluster.is_running
    assert not cluster.is_starting
    assert not cluster.is_stopping
    assert not cluster.has_stopped
    wait_until(lambda: cluster.stat.status == Conf.IDLE)
    assert cluster.stat.sentinel == cluster.sentinel.pid
    assert len(cluster.stat.workers) == 1

    assert cluster.stop() is True

    assert not cluster.sentinel.is_alive()
    assert cluster.has_stopped
    assert cluster.stop() is False
    assert cluster.stat.status == Conf.STOPPED


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_cluster_that_has_started_can_be_heard(cluster, broker):
    cluster.start()

    assert [stat.cluster_id for stat in Stat.get_all(broker)] == [cluster.cluster_id]
    assert cluster.stat.status in (Conf.IDLE, Conf.WORKING)


def test_a_cluster_whose_broker_is_away_starts_all_the_same(conf, transactional_db):
    conf(workers=1, scheduler=False, stop_timeout=1, redis="redis://127.0.0.1:1/0")
    cluster = Cluster()
    began = time.monotonic()
    try:
        assert cluster.start() == os.getpid()
        assert cluster.is_running
        assert time.monotonic() - began < 30
    finally:
        cluster.stop()


def test_a_cluster_may_be_started_by_a_thread(cluster):
    thread = threading.Thread(target=cluster.start)
    thread.start()
    thread.join(30)

    assert cluster.stat.status in (Conf.IDLE, Conf.WORKING)


def test_a_worker_that_was_forked_looks_for_no_connection_before_it_has_opened_one(cluster):
    assert connections.OpenedConnections.any  # by what prepared the test
    cluster.start()

    assert result(async_task("tests.tasks.has_opened_a_connection"), 10_000) is False


def test_the_heartbeat_of_a_stopped_cluster_says_so(cluster, broker):
    cluster.start()
    cluster.stop()

    assert cluster.stat.status == Conf.STOPPED
    assert cluster.stat.host
    assert Stat.get_all(broker) == []


def test_a_cluster_can_be_started_again(cluster):
    cluster.start()
    cluster.stop()
    cluster.start()

    assert fetch(async_task("tests.tasks.multiply", 2, 3), wait=60_000).result == 6


def test_a_sentinel_runs_in_the_process_that_makes_it(broker, conf):
    conf(workers=1, scheduler=False)
    start_event, stop_event = Event(), Event()
    stop_event.set()

    sentinel = Sentinel(stop_event, start_event, uuid.uuid4(), broker=broker)

    assert start_event.is_set()
    assert sentinel.status() == Conf.STOPPED
    assert not any(process.is_alive() for process in [*sentinel.pool, sentinel.monitor])


def set_event() -> Event:
    """Make an event that is set, so that a pusher looks once."""
    event = Event()
    event.set()
    return event


def close(*queues: multiprocessing.Queue) -> None:
    """Close queues of multiprocessing, and wait for their threads."""
    for queue in queues:
        queue.close()
        queue.join_thread()


def test_the_bodies_run_one_after_the_other_over_queues_of_multiprocessing(broker):
    task_queue, result_queue = Queue(), Queue()
    task_id = async_task("tests.tasks.count_letters", "abc", broker=broker)
    assert broker.queue_size() == 1

    pusher(task_queue, set_event(), broker=broker)
    assert broker.queue_size() == 0
    wait_until(lambda: task_queue.qsize() == 1)

    task_queue.put("STOP")
    timer = Value("f", -1)
    worker(task_queue, result_queue, timer)
    assert task_queue.qsize() == 0
    wait_until(lambda: result_queue.qsize() == 1)
    assert timer.value == -1

    result_queue.put("STOP")
    monitor(result_queue, broker)

    assert result(task_id) == 3
    assert broker.lock_size() == 0
    close(task_queue, result_queue)


def test_a_worker_ends_after_its_share(broker, conf):
    conf(recycle=2)
    task_queue, result_queue = OwnQueue(), OwnQueue()
    for _ in range(3):
        async_task("tests.tasks.multiply", 2, 2, broker=broker)
    for _ in range(3):
        pusher(task_queue, set_event(), broker=broker)
    timer = Value("b", -1)

    worker(task_queue, result_queue, timer)

    assert timer.value == -2
    assert (task_queue.qsize(), result_queue.qsize()) == (1, 2)
    task_queue.close()
    result_queue.close()


def test_a_worker_stops_after_a_task_that_ran_out_of_time(broker):
    task_queue, result_queue = OwnQueue(), OwnQueue()
    task_id = async_task("tests.tasks.sleep_for", 30, broker=broker)
    pusher(task_queue, set_event(), broker=broker)
    timer = Value("f", -1)

    worker(task_queue, result_queue, timer, timeout=0.2)

    assert timer.value == 0
    result_queue.put("STOP")
    monitor(result_queue, broker)
    assert "TimeoutException" in Failure.objects.get(id=task_id).result
    task_queue.close()
    result_queue.close()


def test_run_once_works_off_the_queue_and_ends(broker, running_cluster):
    ids = [async_task("tests.tasks.multiply", n, 2) for n in range(20)]

    cluster = running_cluster("--run-once", ready=False)

    assert cluster.process.wait(DEADLINE) == 0
    assert Success.objects.filter(id__in=ids).count() == 20
    assert cluster.remaining_processes() == []


def test_a_named_cluster_works_for_its_queue_alone(broker, running_cluster):
    running_cluster("--name", "other", ALT_CLUSTERS={"other": {"workers": 1}}, workers=1)
    here = async_task("tests.tasks.multiply", 1, 2)
    there = async_task("tests.tasks.multiply", 1, 2, cluster="other")

    task = fetch(there, wait=60_000)

    assert task.cluster == "other"
    assert fetch(here) is None


def test_a_status_can_be_made_by_hand():
    status = Status(1, uuid.uuid4())

    assert status.status == Conf.STOPPED
    assert status.workers == []


def test_a_flag_goes_up_when_its_writer_is_gone():
    flag = Flag()
    assert not flag.is_set()

    flag.writer.close()

    assert flag.is_set()
    flag.close()


def test_a_task_finds_the_language_and_the_time_zone_of_the_settings(broker, running_cluster):
    running_cluster(workers=1).wait_ready()
    first = async_task("tests.tasks.language_and_time_zone")
    async_batch([("tests.tasks.speak_german",), ("tests.tasks.speak_german",)])
    last = async_task("tests.tasks.language_and_time_zone")

    assert result(last, wait=60_000) == result(first) == ("en-us", "Europe/Amsterdam")


def test_the_statements_that_a_task_has_logged_are_forgotten_before_the_next(
    broker, running_cluster
):
    running_cluster(workers=1)

    first, second = (async_task("tests.tasks.log_statement") for _ in range(2))

    assert result(second, wait=60_000) == result(first) == 1


def test_a_hook_is_called_with_the_finished_task(broker, running_cluster, tmp_path):
    running_cluster()
    path = tmp_path / "hooked"

    async_task("tests.tasks.echo", str(path), hook="tests.tasks.write_name")

    wait_until(path.exists)
    wait_until(lambda: path.read_text() == Task.objects.get().name)


def test_a_failed_task_is_tried_again_where_that_is_asked_for(broker, running_cluster, tmp_path):
    running_cluster(retry=3)
    path = str(tmp_path / "runs")

    once = async_task("tests.tasks.raise_error")
    task_id = async_task("tests.tasks.fail_until", path, 2, q_options={"max_attempts": 5})

    wait_until(lambda: (task := fetch(task_id)) and task.success)
    assert fetch(task_id).attempt_count == 3
    assert fetch(once).attempt_count == 1
    wait_until(lambda: broker.queue_size() == broker.lock_size() == 0)


def test_a_sentinel_that_waits_for_a_task_at_a_stop_is_idle(broker, running_cluster):
    cluster = running_cluster()
    async_task("time.sleep", 3)
    wait_until(lambda: any(stat.running for stat in Stat.get_all(broker)))
    sentinel = psutil.Process(cluster.pids("sentinel")[0])

    cluster.terminate()
    cluster.wait_for("sentinel stopping cluster processes")
    before = sum(sentinel.cpu_times()[:2])
    wait_until(lambda: Success.objects.exists())

    assert sum(sentinel.cpu_times()[:2]) - before < 1


def test_a_time_limit_below_zero_is_none(broker, running_cluster):
    running_cluster()

    assert fetch(async_task("tests.tasks.multiply", 2, 3, timeout=-1), wait=60_000).result == 6


def test_the_metrics_of_a_worker_end_with_it(broker, running_cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    cluster = running_cluster(workers=1)
    metrics = tmp_path / f"gauge_liveall_{cluster.pids('worker')[0]}.db"
    metrics.touch()

    cluster.kill("worker")

    wait_until(lambda: not metrics.exists())
