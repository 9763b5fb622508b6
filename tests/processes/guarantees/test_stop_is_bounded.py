"""A stop ends in bounded time, and releases what was not run."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest

from django_q.models import Success, Task
from django_q.tasks import async_task, fetch
from tests.clusters import RunningCluster
from tests.processes.guarantees.traces import EITHER_BROKER, enqueue_traces, runs
from tests.servers import PostgresServer
from tests.waiting import DEADLINE, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def signal_until_stopped(cluster: RunningCluster) -> None:
    """Signal a cluster again and again until it has ended, in good order."""
    cluster.terminate()
    cluster.wait_for("stopping after SIGTERM")
    is_over = cluster.process.poll
    wait_until(lambda: is_over() is not None or cluster.terminate(), interval=0.3)
    assert is_over() == 0


@EITHER_BROKER
def test_a_stop_finishes_what_runs_and_hands_back_the_rest(broker, running_cluster, tmp_path):
    cluster = running_cluster(retry=60)
    trace = tmp_path / "runs"
    ids = enqueue_traces(trace, 10, 2)
    wait_until(lambda: len(runs(trace)) >= 2)

    assert cluster.stop() == 0

    assert cluster.remaining_processes() == []
    done = Success.objects.filter(id__in=ids).count()
    assert done == len(runs(trace))
    assert 2 <= done < 10
    assert broker.queue_size() == 10 - done  # at once, not when their leases end
    assert broker.lock_size() == 0


def test_a_second_signal_ends_running_tasks_and_hands_them_back(broker, running_cluster, tmp_path):
    cluster = running_cluster(retry=60)
    trace = tmp_path / "runs"
    enqueue_traces(trace, 2, 300)
    wait_until(lambda: len(runs(trace)) == 2)

    signal_until_stopped(cluster)

    assert broker.queue_size() == 2
    assert Task.objects.count() == 0


def test_stop_timeout_ends_running_tasks_and_hands_them_back(broker, running_cluster, tmp_path):
    cluster = running_cluster(retry=60, stop_timeout=1)
    trace = tmp_path / "runs"
    enqueue_traces(trace, 1, 300)
    wait_until(lambda: len(runs(trace)) == 1)

    assert cluster.stop() == 0

    assert broker.queue_size() == 1


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_is_a_stop_in_good_order(
    broker, running_cluster, number, method, tmp_path
):
    cluster = running_cluster(start_method=method)
    task_id = async_task("tests.tasks.trace", str(tmp_path / "runs"), 1, 1)
    cluster.wait_for("ready for work", 2)
    wait_until(lambda: runs(tmp_path / "runs"))  # one that has not begun is handed back

    for process in cluster.processes():
        with suppress(psutil.NoSuchProcess):  # it heard of it from another already
            process.send_signal(number)

    assert cluster.process.wait(DEADLINE) == 0
    assert fetch(task_id).success
    assert "reincarnated" not in cluster.log()


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_signal_to_the_whole_group_while_it_starts_is_a_stop(broker, running_cluster, method):
    cluster = running_cluster(start_method=method)
    cluster.wait_for("monitoring at")  # the others are on their way

    for process in cluster.processes():
        with suppress(psutil.NoSuchProcess):
            process.terminate()

    assert cluster.process.wait(DEADLINE) == 0
    assert "reincarnated" not in cluster.log()


def test_a_signal_that_the_sentinel_hears_of_first_is_one_stop(broker, running_cluster, tmp_path):
    cluster = running_cluster()
    task_id = async_task("tests.tasks.trace", str(tmp_path / "runs"), 1, 1)
    cluster.wait_for("ready for work", 2)
    wait_until(lambda: runs(tmp_path / "runs"))

    cluster.kill("sentinel", signal.SIGTERM)
    cluster.wait_for("stopping cluster processes")
    cluster.terminate()

    assert cluster.process.wait(DEADLINE) == 0
    assert "again" not in cluster.log()
    assert fetch(task_id).success


def test_a_signal_when_a_cluster_has_stopped_already_is_no_failure(running_cluster):
    cluster = running_cluster()
    cluster.terminate()

    wait_until(lambda: cluster.process.poll() is not None or cluster.terminate(), interval=0.001)

    assert cluster.process.poll() == 0
    assert "has stopped" in cluster.log()


def test_a_database_that_hangs_keeps_no_cluster_from_its_stop(broker, running_cluster, monkeypatch):
    server = PostgresServer().start()
    try:
        monkeypatch.setenv("DJANGO_Q_TEST_DATABASE", "postgres")
        monkeypatch.setenv("DJANGO_Q_TEST_DATABASE_URL", server.url_of("postgres"))
        monkeypatch.setenv("DJANGO_Q_TEST_ORM", "default")
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.settings")
        subprocess.run([sys.executable, "-m", "django", "migrate", "--verbosity=0"], check=True)
        cluster = running_cluster(stop_timeout=1)
        cluster.processes()

        with server.frozen():
            cluster.wait_for("the heartbeat could not be saved")
            cluster.kill("worker")
            cluster.wait_for("ready for work", 3)
            cluster.processes()
            signal_until_stopped(cluster)
        assert cluster.remaining_processes() == []
    finally:
        server.stop()


def test_a_monitor_that_is_frozen_keeps_no_cluster_from_its_stop(broker, running_cluster, tmp_path):
    cluster = running_cluster(stop_timeout=1, retry=60)
    trace = tmp_path / "runs"
    cluster.kill("monitor", signal.SIGSTOP)
    for number in range(300):  # more than its queue takes
        async_task("tests.tasks.trace_at_length", str(trace), number, 50_000)
    wait_until(lambda: len(runs(trace)) > 20)

    assert cluster.stop() == 0

    # Replaced before the stop, or killed in it: both say why.
    assert re.search("monitor .*after standing still", cluster.log())
    assert broker.queue_size() + broker.lock_size() + Success.objects.count() == 300
