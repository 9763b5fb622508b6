"""Nobody waits for the log: pipes that are full, handlers that wait, fail, or are gone."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from django_q.models import Failure, Success
from django_q.tasks import async_task, fetch
from tests.clusters import RunningCluster
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.disturbances,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]

SMALLEST_PIPE = 4096


class PipedCluster(RunningCluster):
    """A cluster whose output goes into a pipe that nobody reads."""

    def output(self, log: Any) -> Any:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, 1031, SMALLEST_PIPE)  # F_SETPIPE_SZ
        os.write(self.writer, b"x" * SMALLEST_PIPE)
        return self.writer

    def read_on(self) -> None:
        """Read, from now on, into the log."""
        os.close(self.writer)
        self.text = b""
        os.set_blocking(self.reader, False)

    def log(self) -> str:
        """Read what comes."""
        try:
            while data := os.read(self.reader, 65536):
                self.text += data
        except BlockingIOError:
            pass
        return self.text.decode()


@pytest.fixture
def piped(broker, running_cluster, monkeypatch):
    """Start a cluster that writes into a full pipe."""
    clusters = []

    def start(**options: Any) -> PipedCluster:
        clusters.append(PipedCluster(**options))
        return clusters[-1]

    yield start
    for cluster in clusters:
        cluster.end()


@pytest.fixture
def handled(running_cluster, monkeypatch, tmp_path):
    """Start a cluster whose log goes to a handler of the tests."""
    monkeypatch.setenv("DJANGO_Q_TEST_LINES", str(tmp_path / "lines"))
    monkeypatch.setenv("DJANGO_Q_TEST_WALL", str(tmp_path / "wall"))

    def start(handler: str, **options: Any) -> RunningCluster:
        monkeypatch.setenv("DJANGO_Q_TEST_HANDLER", f"tests.handlers.{handler}")
        return running_cluster(ready=False, **options)

    return start


def lines(path: Path) -> list[dict]:
    """Read what a handler has written, but for a line that it is about to write."""
    if not path.exists():
        return []
    whole, _, _ = path.read_text().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


def run_times(path: Path) -> int:
    """Count the runs that have left a trace."""
    return len(path.read_text().split()) if path.exists() else 0


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_nobody_waits_for_a_pipe_that_is_full(broker, piped, tmp_path, method):
    cluster = piped(retry=4, start_method=method)
    ids = [async_task("tests.tasks.raise_error", "x" * 5000) for _ in range(1200)]
    task = async_task("tests.tasks.touch_and_sleep", str(tmp_path / "runs"), 12)

    wait_until(lambda: fetch(task) is not None, 100)
    wait_until(lambda: Failure.objects.filter(id__in=ids).count() == 1200, 60)

    assert run_times(tmp_path / "runs") == 1
    assert not any(failure.attempt_count > 1 for failure in Failure.objects.all())
    cluster.processes()
    cluster.terminate()
    assert cluster.process.wait(60) == 0
    wait_until(lambda: cluster.remaining_processes() == [], 10)


def test_what_could_not_be_written_is_counted_and_said(broker, piped):
    cluster = piped()
    ids = [async_task("tests.tasks.raise_error", "x" * 5000) for _ in range(1200)]
    wait_until(lambda: Failure.objects.filter(id__in=ids).count() == 1200, 60)

    cluster.read_on()
    cluster.wait_for("log lines could not be written", timeout=20)

    def told() -> int:
        log = cluster.log()
        lost = sum(map(int, re.findall(r"(\d+) log lines could not be written", log)))
        return lost + log.count("ERROR Failed 'tests.tasks.raise_error'")

    wait_until(lambda: told() >= 1200, 30)
    assert told() <= 1210  # what the processes say at their start is lost, too


@pytest.mark.parametrize("handler", ["Waiting", "Raising"])
def test_a_handler_that_waits_or_raises_costs_its_lines_and_no_more(
    broker, handled, tmp_path, handler
):
    (tmp_path / "wall").touch()
    cluster = handled(handler, retry=2)
    task = async_task("tests.tasks.touch_and_sleep", str(tmp_path / "runs"), 6)
    wait_until(lambda: fetch(task) is not None, 100)
    # More than the kernel keeps for the logger's process where it may keep the most: 8 MiB.
    ids = [async_task("tests.tasks.raise_error", "x" * 5000) for _ in range(1200)]
    wait_until(lambda: Failure.objects.filter(id__in=ids).count() == 1200, 60)

    (tmp_path / "wall").unlink()
    async_task("tests.tasks.raise_error", "the end")
    written = tmp_path / "lines"
    wait_until(lambda: any("could not be" in line["text"] for line in lines(written)), 30)

    assert run_times(tmp_path / "runs") == 1
    assert cluster.stop() == 0


def test_a_cluster_stops_while_a_handler_waits(broker, handled, tmp_path):
    (tmp_path / "wall").touch()
    cluster = handled("Waiting", stop_timeout=1)
    async_task("tests.tasks.touch_and_sleep", str(tmp_path / "runs"), 300)
    wait_until(lambda: run_times(tmp_path / "runs") == 1, 60)
    cluster.processes()

    cluster.terminate()

    assert cluster.process.wait(60) == 0
    wait_until(lambda: cluster.remaining_processes() == [], 10)
    assert broker.queue_size() == 1


def test_a_stream_that_is_closed_ends_nothing(broker, handled):
    handled("Closed")

    task = async_task("tests.tasks.multiply", 6, 7)

    wait_until(lambda: fetch(task) is not None, 100)


def test_handlers_get_what_they_got_before(broker, handled, tmp_path):
    cluster = handled("ToFile")
    task = async_task("tests.tasks.multiply", 6, 7, hook="tests.tasks.raise_in_hook")
    wait_until(lambda: fetch(task) is not None, 100)
    cluster.processes()
    logger = cluster.pids("logger")
    assert cluster.stop() == 0

    written = lines(tmp_path / "lines")
    (failed,) = [line for line in written if line["error"]]
    assert failed["error"] == "ValueError"
    assert failed["process"] == "monitor"
    # Lines that follow the first are indented, so that none passes for another line of the log.
    assert re.search(r"in raise_in_hook\n {8}raise ValueError", failed["text"])
    assert {line["pid"] for line in written} == set(logger)
    assert {line["process"] for line in written} == {
        *("MainProcess", "sentinel", "monitor", "worker-1", "worker-2")  # a filter has the pusher's
    }
    assert "has stopped." in written[-1]["text"]


def test_a_logger_that_is_killed_is_replaced(broker, running_cluster):
    cluster = running_cluster()

    cluster.kill("logger")
    cluster.wait_for("reincarnated logger after death by SIGKILL")
    cluster.kill("worker")

    cluster.wait_for("reincarnated worker-")


def test_a_logger_outlives_its_main_process_for_the_last_lines_and_no_longer(
    broker, running_cluster
):
    cluster = running_cluster()
    cluster.processes()

    os.kill(cluster.pid, signal.SIGKILL)
    cluster.process.wait(60)

    wait_until(lambda: cluster.remaining_processes() == [], 20)
    assert "sentinel stopping cluster processes" in cluster.log()


def test_what_a_task_forks_keeps_no_logger_waiting(broker, running_cluster):
    cluster = running_cluster(daemonize_workers=False, workers=1)
    task = async_task("tests.tasks.leave_process", 20)
    wait_until(lambda: Success.objects.filter(id=task).exists(), 20)
    logger = [each for each in cluster.processes() if each.pid in cluster.pids("logger")]

    os.kill(cluster.pid, signal.SIGKILL)

    wait_until(lambda: not logger[0].is_running() or logger[0].status() == "zombie", 15)


def test_a_cluster_needs_no_streams(broker, running_cluster, monkeypatch):
    monkeypatch.setattr(RunningCluster, "prepare", staticmethod(lambda: os.closerange(0, 3)))
    cluster = running_cluster(ready=False)

    task = async_task("tests.tasks.multiply", 6, 7)

    wait_until(lambda: fetch(task) is not None, 100)
    assert cluster.stop() == 0


def test_a_task_that_closes_the_streams_of_its_worker_ends_no_worker(broker, running_cluster):
    cluster = running_cluster(workers=1)
    pids = cluster.pids("worker")
    async_task("tests.tasks.close_streams")

    task = async_task("tests.tasks.unpicklable")  # the worker has something to say about it
    wait_until(lambda: fetch(task) is not None, 20)

    assert cluster.pids("worker") == pids
    cluster.wait_for("is stored as text")


def test_a_cluster_that_another_program_starts_leaves_the_programs_log_alone(broker, conf, caplog):
    import logging

    from django_q.cluster import Cluster

    conf(workers=1, scheduler=False)
    handle = logging.Logger.handle
    cluster = Cluster(broker)
    with caplog.at_level("INFO", "django-q"):
        cluster.start()
        cluster.stop()

    assert logging.Logger.handle is handle
    assert "has stopped" in caplog.text
