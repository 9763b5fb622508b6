"""Processes that stand still, signals that are ignored, and what a cluster can not run with."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from django_q.models import Success
from django_q.tasks import async_task, fetch
from tests.clusters import RunningCluster
from tests.servers import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.disturbances,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]

METHODS = pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])


@pytest.fixture
def prepared(broker, request):
    """Start a cluster in a process that has been prepared before it is one of Python."""
    clusters = []

    def start(prepare, ready: bool = True, **options) -> RunningCluster:
        class Prepared(RunningCluster):
            pass

        Prepared.prepare = staticmethod(prepare)
        clusters.append(Prepared(**options))
        return clusters[-1].wait_ready() if ready else clusters[-1]

    yield start
    for cluster in clusters:
        cluster.end()


def ignore_children() -> None:
    """Have the kernel keep no exit codes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def block_signals() -> None:
    """Block what a cluster needs to hear of."""
    signal.pthread_sigmask(
        signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGCHLD]
    )


def ignore_stops() -> None:
    """Ignore what a cluster is stopped by, and its alarms."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


@METHODS
def test_processes_that_die_are_replaced_where_sigchld_was_ignored(prepared, method):
    cluster = prepared(ignore_children, start_method=method)

    cluster.kill("worker-1")
    cluster.wait_for("reincarnated worker-1 after death by SIGKILL")
    cluster.kill("sentinel")
    cluster.wait_for("the sentinel ended with code -9")
    cluster.wait_for("monitoring at", 2)

    assert cluster.stop() == 0


@METHODS
def test_processes_that_die_are_replaced_where_the_project_ignores_sigchld(
    broker, running_cluster, monkeypatch, method
):
    monkeypatch.setenv("DJANGO_Q_TEST_IGNORES_CHILDREN", "1")
    cluster = running_cluster(start_method=method)

    cluster.kill("worker-1")
    cluster.wait_for("reincarnated worker-1")

    assert cluster.stop() == 0


@pytest.mark.parametrize("prepare", [block_signals, ignore_stops])
def test_signals_are_heard_that_were_blocked_or_ignored(prepared, prepare):
    cluster = prepared(prepare)
    limited = async_task("tests.tasks.sleep_for", 300, timeout=1)
    wait_until(lambda: fetch(limited) is not None, 20)

    assert "exceeded its time limit" in fetch(limited).result
    assert cluster.stop(20) == 0


def test_a_sentinel_that_stands_still_keeps_no_cluster_from_its_stop(
    broker, running_cluster, tmp_path
):
    cluster = running_cluster(stop_timeout=3)
    async_task("tests.tasks.touch_and_sleep", str(tmp_path / "runs"), 300)
    wait_until((tmp_path / "runs").exists, 10)
    cluster.processes()
    cluster.kill("sentinel", signal.SIGSTOP)

    cluster.terminate()

    assert cluster.process.wait(60) == 0
    assert "the sentinel has stood still for" in cluster.log()
    wait_until(lambda: cluster.leftovers() == [], 10)


def test_a_second_signal_ends_a_cluster_whose_sentinel_stands_still(
    broker, running_cluster, tmp_path
):
    cluster = running_cluster(stop_timeout=300)
    async_task("tests.tasks.touch_and_sleep", str(tmp_path / "runs"), 300)
    wait_until((tmp_path / "runs").exists, 10)
    cluster.processes()
    cluster.kill("sentinel", signal.SIGSTOP)

    cluster.terminate()
    cluster.wait_for("stopping after SIGTERM")
    time.sleep(0.3)  # a second wish, and no echo of the first
    cluster.terminate()

    assert cluster.process.wait(60) == 0
    wait_until(lambda: cluster.leftovers() == [], 10)


def test_a_monitor_that_stands_still_is_replaced_and_nothing_runs_again(
    broker, running_cluster, tmp_path
):
    cluster = running_cluster(retry=8)
    cluster.kill("monitor", signal.SIGSTOP)
    trace = tmp_path / "runs"
    ids = [async_task("tests.tasks.trace", str(trace), number, 0) for number in range(200)]

    wait_until(lambda: Success.objects.filter(id__in=ids).count() == 200, 30)

    cluster.wait_for("reincarnated monitor after standing still")
    assert len(trace.read_text().split()) == 200


@pytest.mark.parametrize("role", ["pusher", "scheduler"])
def test_others_that_stand_still_are_replaced(broker, running_cluster, role):
    cluster = running_cluster(retry=8, scheduler=True)

    cluster.kill(role, signal.SIGSTOP)
    cluster.wait_for(f"reincarnated {role} after standing still")

    task = async_task("tests.tasks.multiply", 6, 7)
    wait_until(lambda: fetch(task) is not None, 20)


def test_a_cluster_that_was_asleep_as_a_whole_replaces_nothing(broker, running_cluster):
    cluster = running_cluster(retry=6)
    sleepers = cluster.processes()
    for process in sleepers:
        process.suspend()
    time.sleep(5)  # longer than one may stand still
    for process in reversed(sleepers):
        process.resume()

    task = async_task("tests.tasks.multiply", 6, 7)
    wait_until(lambda: fetch(task) is not None, 20)
    time.sleep(2)

    assert "standing still" not in cluster.log()


def test_what_a_stop_kills_is_not_said_to_have_died(broker, running_cluster):
    cluster = running_cluster(stop_timeout=1, retry=60)
    cluster.kill("pusher", signal.SIGSTOP)

    assert cluster.stop(60) == 0

    assert "pusher did not end in time and is killed" in cluster.log()
    assert "reincarnated" not in cluster.log()
    assert "out of memory" not in cluster.log()


def test_a_signal_in_the_first_moment_is_a_stop(broker, running_cluster, tmp_path):
    codes = set()
    for tenths in range(12):
        cluster = running_cluster(ready=False)
        wait_until(lambda cluster=cluster: has_set_up(cluster.pid), 30, interval=0.01)
        time.sleep(tenths / 10)
        codes.add(cluster.stop())

    assert codes == {0}


def has_set_up(pid: int) -> bool:
    """Whether a process has handlers for the signals that stop a cluster."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1))
    return True


def test_a_cluster_that_gevent_has_patched_says_why_it_does_not_start(broker):
    command = "import sys; from gevent import monkey; monkey.patch_all(); "
    command += "from django.core.management import execute_from_command_line as run; "
    command += "run(['manage.py', 'qcluster'])"

    done = subprocess.run(
        [sys.executable, "-c", command],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "gevent has patched" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("files", [16, 24, 28, 32, 36, 40])
def test_a_limit_of_open_files_that_is_too_low_is_said(prepared, files):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    cluster = prepared(limit, ready=False, workers=8, scheduler=True)
    wait_until(lambda: cluster.process.poll() is not None or "running." in cluster.log(), 60)
    cluster.stop()

    assert "Exception ignored" not in cluster.log()
    assert "Traceback" not in cluster.log()
    assert "Raise it, as with 'ulimit -n'" in cluster.log() or "can not be started" in cluster.log()
