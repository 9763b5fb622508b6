"""Runs of the driver with django-q2's cluster in the place of ours. Django is set up before."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from django.db import connections

from django_q.models import OrmQ
from django_q.signing import SignedPackage
from tests.faults import rigs
from tests.faults.driven_cluster import DrivenCluster
from tests.faults.driver import Run
from tests.faults.invariants import Verdict
from tests.switch.shops import CHECKOUT
from tests.workspace import end_with_test_run, workspace

#: The shortest lease that tasks of half a second permit, so what was held comes back soon;
#: attempts without limit, and failures are tried again. The rest is as it comes.
OPTIONS = {"workers": 2, "timeout": 3, "retry": 4, "max_attempts": 0, "ack_failures": False}
#: Seconds without progress after which what is not saved is stuck, or lost.
SAVE_TIMEOUT = OPTIONS["retry"] + 20
#: Seconds for a stop in good order, as containers have. Then the supervisor kills what is left.
STOP_TIME = 10


@cache
def checkout() -> Path:
    """Copy the tests to where our package does not hide the other."""
    directory = Path(tempfile.mkdtemp(dir=workspace(), prefix="peer"))
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "tests", directory / "tests", ignore=skip)
    return directory


def environment(variables: dict[str, str], **options: Any) -> dict[str, str]:
    """Make the environment of a process of django-q2."""
    options = {**OPTIONS, "save_limit": 0, "testing": False, **options}
    ours = {"PYTHONPATH": str(checkout()), "DJANGO_Q_TEST_OPTIONS": json.dumps(options)}
    return {**os.environ, **variables, **ours}


def migrate(python: str, database: dict) -> None:
    """Make the tables of django-q2."""
    command = [python, "-m", "django", "migrate", "django_q", "-v", "0"]
    variables = environment(rigs.environment(database))
    subprocess.run(command, env=variables, cwd=checkout(), check=True)


@cache
def sqlite_template(python: str) -> Path:
    """Make a SQLite file with the empty tables of django-q2, to be copied."""
    path = Path(tempfile.mkdtemp(dir=workspace()), "peer.sqlite3")
    migrate(python, {**rigs.sqlite(), "NAME": str(path)})
    return path


@cache
def postgres_name(python: str) -> str:
    """Make a PostgreSQL database with the tables of django-q2; its name."""
    database = rigs.from_url(rigs.postgres_server().url)
    maintenance = connections[rigs.maintenance_of(database)]
    with maintenance.cursor() as cursor:
        cursor.execute("CREATE DATABASE peer")
    maintenance.close()
    migrate(python, {**database, "NAME": "peer"})
    return "peer"


def hand_over(rig: rigs.Rig, python: str) -> None:
    """Give a rig the tables of django-q2 instead of ours, empty."""
    if not isinstance(rig, rigs.PostgresRig):
        shutil.copy(sqlite_template(python), rig.file)
        return
    connection = connections[rigs.ALIAS]
    connection.close()
    connection.settings_dict["NAME"] = rig.database["NAME"] = postgres_name(python)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE django_q_task, django_q_ormq")


class PeerCluster(DrivenCluster):
    """A cluster of django-q2 on a rig."""

    def __init__(self, rig: rigs.Rig, python: str) -> None:
        self.options = OPTIONS
        self.log_file = rig.directory / f"cluster-{time.monotonic_ns()}.log"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [python, "-m", "django", "qcluster"],
                env=environment(rig.environment(), **rig.options()),
                cwd=checkout(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self.process.pid
        self.members: set[psutil.Process] = set()
        self.pid_file = end_with_test_run(self.process)

    def pids(self, role: str) -> list[int]:
        """Find the processes of a role: the sentinel by its parent, the others by their titles."""
        found = {"sentinel": [], "monitor": [], "pusher": [], "worker": []}
        for process in self.processes()[1:]:
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline()).split()
                if process.ppid() == self.pid:
                    found["sentinel"].append(process.pid)
                elif words[1:] and words[1].startswith("Process-"):  # it has a title of its own
                    found.get(words[2], found["worker"]).append(process.pid)
        return found[role]

    def stop(self, timeout: float = STOP_TIME) -> int:
        """Stop it as a supervisor does, which kills what does not end in time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            super().stop(timeout)
        self.end()
        return 0

    def end(self) -> None:
        """Kill all that is left of it, orphans among them, which are in its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(10)
        self.pid_file.unlink(missing_ok=True)

    kill_all = end


class PlainRun(Run):
    """A run of our cluster without chains and new options: the load that both have."""

    def call(self, number: int) -> tuple[int, str, tuple, dict]:
        """Make up a task, that is no chain and has only options that both know."""
        *call, options = self.plain_call(number)
        options.pop("chain", None)
        options.pop("q_options", None)
        return *call, options


class PeerRun(PlainRun):
    """A run of django-q2's cluster, by a supervisor that starts it again when it has ended."""

    def __init__(self, rig: rigs.Rig, seed: int, python: str) -> None:
        super().__init__(rig, seed)
        hand_over(rig, python)
        self.python = python
        variables = environment(rigs.environment(rig.database), **self.direct_options())
        self.producer = subprocess.Popen(
            [python, "-m", "tests.faults.peer_producer"],
            env=variables,
            cwd=checkout(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def direct_options(self) -> dict[str, Any]:
        """Give the options of who enqueues, past the proxy."""
        if "redis" in self.rig.options():
            return {"redis": f"redis://127.0.0.1:{self.rig.server.port}/0"}
        return self.rig.options()

    def start_cluster(self, ready: bool = True, **_: Any) -> PeerCluster:
        """Start a cluster, always with the same options."""
        self.clusters.append(PeerCluster(self.rig, self.python))
        return self.cluster.wait_ready() if ready else self.cluster

    def attempt(
        self, number: int, arguments: tuple, options: dict, func: str = "tasks.work"
    ) -> None:
        """Enqueue one task; what raises is not accepted."""
        *plain, ballast = arguments
        self.producer.stdin.write(json.dumps([*plain, len(ballast), options]) + "\n")
        self.producer.stdin.flush()
        answer = json.loads(self.producer.stdout.readline())
        if "error" in answer:
            self.refused += 1
            return
        self.accepted[number] = answer["id"]
        if "hook" in options:
            self.hooked.add(number)

    def in_broker(self) -> int:
        """Count what is in the broker."""
        return len(self.ids_in_broker())

    def ids_in_broker(self) -> set[str]:
        """Find the ids of the tasks in the broker, those in somebody's hand among them."""
        if "redis" in self.rig.options():
            with self.rig.server.client() as client:
                payloads = client.lrange("django_q:test:q", 0, -1)
        else:
            payloads = OrmQ.objects.using(rigs.ALIAS).values_list("payload", flat=True)
        return {SignedPackage.loads(payload)["id"] for payload in payloads}

    def supervise(self) -> None:
        """Start the cluster again when it has ended; orphans have their time to stop before."""
        self.cluster.processes()
        if self.cluster.process.poll() is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.cluster.pid, signal.SIGTERM)
            self.quietly(lambda: not self.cluster.remaining_processes(), STOP_TIME)
            self.cluster.end()
            self.start_cluster(ready=False)

    def wait_for_end(self) -> list[int]:
        """Wait until all is saved, or nothing more is; the tasks that are not."""
        missing, deadline = self.not_saved(), time.monotonic() + SAVE_TIMEOUT
        while missing and time.monotonic() < deadline:
            time.sleep(0.05)
            self.supervise()
            now = self.not_saved()
            if len(now) < len(missing):
                deadline = time.monotonic() + SAVE_TIMEOUT
            missing = now
        return missing

    def settle(self) -> Verdict:
        """Wait until all is saved or stands still; then start again by hand, and judge."""
        self.finish_producing()
        started = time.monotonic()
        missing = self.wait_for_end()
        seconds = time.monotonic() - started
        stuck = self.among(missing, self.ids_in_broker())
        if stuck:
            self.cluster.stop()
            self.start_cluster()
            missing = self.wait_for_end()
        self.quietly(lambda: not self.in_broker(), OPTIONS["retry"] + 3)
        waiting = self.among(missing, self.ids_in_broker())
        trace = self.trace()
        return Verdict(
            tasks=len(self.accepted),
            lost=sorted({*missing} - {*waiting}),
            waiting=len(stuck),
            failed=self.among(self.accepted, self.saved(success=False)),
            repeated=trace.repeated.total(),
            crashes=len(self.crashes),
            without_hook=sorted(self.hooked - set(trace.hooks) - set(missing)),
            seconds=seconds,
        )

    def among(self, numbers: Any, ids: set[str]) -> list[int]:
        """Find those of some tasks whose ids are among these."""
        return [number for number in numbers if self.accepted[number] in ids]

    def close(self) -> None:
        """Leave nothing behind."""
        super().close()
        self.producer.stdin.close()
        self.producer.stdout.close()
        self.producer.wait(10)
