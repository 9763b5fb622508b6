"""One sample: a side with a configuration, and nothing in its queue and tables."""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.configurations import Configuration
from benchmarks.processes import end
from benchmarks.services import Services
from benchmarks.sides import Side
from tests.waiting import wait_until
from tests.workspace import workspace

#: As in ``measured.tasks``: monotonic time, and a value.
RECORD = struct.Struct("dd")

#: Seconds in which a cluster must have run its first task.
START_TIMEOUT = 60

#: Tasks before a cluster is taken to be warm.
WARMUP_TASKS = 20


class BenchmarkContext:
    """What all samples share: the servers and the options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.services = Services(options.redis, options.postgres)

    def session(self, side: Side, configuration: Configuration, **cluster: Any) -> Session:
        """Begin a sample; further arguments are options of ``Q_CLUSTER``."""
        return Session(self, side, configuration, cluster)


class Session:
    """A side with a configuration, and nothing in its queue and tables."""

    def __init__(
        self, context: BenchmarkContext, side: Side, configuration: Configuration, cluster: dict
    ):
        self.context, self.side, self.configuration = context, side, configuration
        self.services = context.services
        self.directory = Path(workspace())
        self.records_file = self.directory / "records"
        self.log = self.directory / "benchmark.log"
        self.environment = {
            **side.environment(),
            "DJANGO_SETTINGS_MODULE": "measured.settings",
            "DJANGO_Q_BENCHMARK": json.dumps(self.setup(cluster)),
        }
        self.processes: list[subprocess.Popen] = []

    def setup(self, cluster: dict) -> dict:
        """Make what the settings of the site read."""
        is_redis = self.configuration.broker == "redis"
        broker = {"redis": self.services.redis_url} if is_redis else {"orm": "default"}
        saving = {"save_limit": 0 if self.configuration.is_stored else -1}
        workers = {"workers": self.context.options.workers}
        return {
            "database": self.services.settings(self.configuration.database),
            "cluster": {**broker, **saving, **workers, **cluster},
            "records": str(self.records_file),
        }

    def __enter__(self) -> Session:
        owner = self.side.name.replace(" ", "_")
        self.records_file.write_bytes(b"")
        self.log.write_bytes(b"")
        if self.configuration.broker == "redis":
            self.services.redis.flushdb()
        self.services.renew(self.configuration.database, owner, lambda: self.call("migrate"))
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self.processes:
            end(process)

    def popen(self, *command: str, stdout: int | None = None) -> subprocess.Popen:
        """Start a process of the side; it ends with the sample."""
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                [self.side.python, "-m", *command],
                env=self.environment,
                cwd=self.directory,
                stdout=stdout or log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def begin(self, verb: str, **arguments: Any) -> subprocess.Popen:
        """Begin to do what a verb of the site does."""
        return self.popen("measured", verb, json.dumps(arguments), stdout=subprocess.PIPE)

    def finish(self, process: subprocess.Popen, timeout: float | None = None) -> Any:
        """Wait for a verb's end; what it printed."""
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"not done after {timeout:.0f} seconds") from None
        if process.returncode:
            raise RuntimeError(self.log.read_text().strip()[-2000:] or "failed without a word")
        return json.loads(output.splitlines()[-1])

    def call(self, verb: str, **arguments: Any) -> Any:
        """Do what a verb of the site does."""
        return self.finish(self.begin(verb, **arguments))

    def start_cluster(self) -> int:
        """Start the cluster; its process id."""
        return self.popen("django", "qcluster").pid

    def warm_cluster(self) -> int:
        """Start the cluster, let it run a few tasks and come to rest; its process id."""
        pid = self.start_cluster()
        self.call("enqueue", number=WARMUP_TASKS)
        self.wait_for_records(WARMUP_TASKS, START_TIMEOUT)
        time.sleep(self.context.options.settle)
        return pid

    def count(self) -> int:
        """Count the tasks that ran."""
        return self.records_file.stat().st_size // RECORD.size

    def wait_for_records(self, number: int, timeout: float) -> None:
        """Wait until so many tasks ran."""
        try:
            wait_until(lambda: self.count() >= number, timeout, 0.005)
        except AssertionError:
            log = self.log.read_text().strip()[-2000:]
            raise RuntimeError(
                f"{self.count()} of {number} tasks ran in {timeout:.0f} seconds. {log}"
            ) from None

    def records(self) -> list[tuple[float, float]]:
        """Read what the tasks recorded, the first first."""
        content = self.records_file.read_bytes()
        return sorted(RECORD.iter_unpack(content))
