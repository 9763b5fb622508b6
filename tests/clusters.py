"""Clusters that tests start: real processes, which end with the test."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from django_q.processes.supervision import process_start
from django_q.queues import Flag
from tests.waiting import DEADLINE, wait_until
from tests.workspace import end_with_test_run, workspace

#: Seconds for a cluster to start, where processes that load Django have little of a processor.
START_DEADLINE = 150


class RunningCluster:
    """``manage.py qcluster`` as a process, with the settings of the tests and some options."""

    #: What runs the command.
    program: Sequence[str] = (sys.executable, "-m", "django", "qcluster")
    #: What its process does before it is one of Python.
    prepare: Callable[[], Any] | None = None
    #: Where it runs; None for where the tests do.
    directory: Path | None = None

    def __init__(self, *arguments: str, **options: Any) -> None:
        options.setdefault("workers", 2)
        options.setdefault("scheduler", False)
        self.options = options
        self.log_file = Path(tempfile.mkdtemp(dir=workspace()), "cluster.log")
        self.launch(
            arguments,
            DJANGO_SETTINGS_MODULE="tests.settings",
            DJANGO_Q_TEST_OPTIONS=json.dumps(options),
            PYTHONUNBUFFERED="1",
        )

    def launch(self, arguments: Sequence[str], **environment: str) -> None:
        """Start the process, which writes into its log file."""
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [*self.program, *arguments],
                env={**os.environ, **environment},
                cwd=self.directory,
                stdout=self.output(log),
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                preexec_fn=self.prepare,
            )
        self.pid = self.process.pid
        self.members: set[psutil.Process] = set()
        self.pid_file = end_with_test_run(self.process)

    def output(self, log: Any) -> Any:
        """Choose where it writes."""
        return log

    def log(self) -> str:
        """Read what it has logged."""
        return self.log_file.read_text()

    def wait_for(self, text: str, times: int = 1, timeout: float = DEADLINE) -> None:
        """Wait until a text is in the log."""
        try:
            wait_until(lambda: self.log().count(text) >= times, timeout)
        except AssertionError:
            raise AssertionError(f"{text!r} never came (x{times}) in:\n{self.log()}") from None

    def wait_ready(self) -> RunningCluster:
        """Wait until all its processes work."""
        workers = self.options["workers"]
        self.wait_for("ready for work at", workers, START_DEADLINE)
        self.wait_for("monitoring at")
        self.wait_for("pushing tasks at")
        self.wait_for("running.")
        return self

    def processes(self) -> list[psutil.Process]:
        """List its processes, from the one that was started down."""
        try:
            root = psutil.Process(self.pid)
            found = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            found = []
        self.members |= set(found)
        return found

    def pids(self, role: str) -> list[int]:
        """Find the processes of a role, by their titles: "worker-1", "monitor" ..."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline()).split()
                if words[:1] == ["qcluster"] and words[1].startswith(role):
                    found.append(process.pid)
        return found

    def kill(self, role: str, number: int = signal.SIGKILL) -> int:
        """Send a Unix signal to the first process of a role; its pid."""
        pid = self.pids(role)[0]
        os.kill(pid, number)
        return pid

    def kill_all(self) -> None:
        """End every process at once, as a power cut does."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(10)

    def terminate(self, number: int = signal.SIGTERM) -> None:
        """Ask it to stop."""
        self.process.send_signal(number)

    def stop(self, timeout: float = DEADLINE) -> int:
        """Stop it in good order; its exit code."""
        self.processes()
        if self.process.poll() is None:
            self.terminate()
        return self.process.wait(timeout)

    def remaining_processes(self) -> list[psutil.Process]:
        """List the processes that it has had and that are still alive."""
        return [process for process in self.members if is_alive(process)]

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop(timeout=15)
        for process in [*self.processes(), *self.members]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.pid_file.unlink(missing_ok=True)


def run_as(names: Sequence[str], body: str, *args: Any) -> None:
    """Call a function, by its dotted path, in a process that is called like one of a cluster.

    Of several names each is that of a process which the one before starts, as a sentinel does.
    """
    first, *others = names
    if others:
        body, args = f"{__name__}.run_as", (others, body, *args)
    process = process_start.start_process(body, args, first, Flag())
    process.join(DEADLINE)
    assert process.exitcode == 0


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still works; it may end while it is asked."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
