"""A cluster that the driver breaks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from typing import Any

import psutil

from tests.clusters import RunningCluster
from tests.faults.log_reader import LogReader
from tests.faults.rigs import Rig

#: Seconds of a lease: what a crashed process held comes back after that.
RETRY = 2


class DrivenCluster(RunningCluster):
    """A cluster on a rig, whose temporary files are in a folder of their own."""

    def __init__(self, rig: Rig, *arguments: str, **options: Any) -> None:
        options = {"workers": 2, "scheduler": False, "retry": RETRY, **rig.options(), **options}
        options.setdefault("save_limit", 0)
        self.options = options
        self.log_file = rig.directory / f"cluster-{time.monotonic_ns()}.log"
        self.files = rig.directory / "temporary"
        self.files.mkdir(exist_ok=True)
        self.program = [*rig.prefix(), *self.program]
        self.reader = LogReader() if rig.has_log_reader else None
        environment = {**rig.environment(), **rig.extra, "TMPDIR": str(self.files)}
        self.launch(arguments, **environment, DJANGO_Q_TEST_OPTIONS=json.dumps(options))
        if self.reader:
            self.reader.close()

    def output(self, log: Any) -> Any:
        """Choose where it writes: into a file, or into a pipe that may go unread."""
        return self.reader.open(self.log_file) if self.reader else log

    def pause(self, role: str, seconds: float) -> None:
        """Stop a process for a while, as a debugger or a machine that swaps does."""
        pid = self.kill(role, signal.SIGSTOP)
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def offspring(process: psutil.Process) -> list[psutil.Process]:
    """List what descends from a process."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []
