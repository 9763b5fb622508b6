"""What is broken, each as a function that does so to a run under load."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

from tests.faults.driver import BALLAST, RETRY, Run
from tests.waiting import comes, wait_until

ALL = ("redis", "sqlite", "postgres", "mysql")
SERVERS = ("redis", "postgres", "mysql")


@dataclass
class Fault:
    """Something that breaks, and where."""

    name: str
    inject: Callable[[Run], None]
    brokers: tuple[str, ...] = ALL
    is_short: bool | tuple[str, ...] = False  # always runs: on Redis and SQLite, or on these
    options: dict | None = None  # of the cluster
    on_small_disk: bool = False  # whether it needs the database on a disk that it can fill
    prepare: Callable[[Run], None] | None = None  # before the cluster starts
    is_possible: Callable[[], bool] = lambda: True  # on this machine


FAULTS: dict[str, Fault] = {}


def fault(
    name: str,
    brokers: tuple[str, ...] = ALL,
    short: bool | tuple[str, ...] = False,
    small_disk: bool = False,
    prepare: Callable[[Run], None] | None = None,
    possible: Callable[[], bool] = lambda: True,
    **options: Any,
):
    """Register a function as a fault."""

    def register(inject: Callable[[Run], None]) -> Callable[[Run], None]:
        FAULTS[name] = Fault(name, inject, brokers, short, options, small_disk, prepare, possible)
        return inject

    return register


@fault("nothing", short=True)
def break_nothing(run: Run) -> None:
    """Break nothing."""


def kill(run: Run, role: str) -> None:
    """Kill a process of a role, at a random instant, once to three times."""
    for _ in range(run.random.randint(1, 3)):
        run.instant()
        wait_quietly(lambda: run.cluster.pids(role))
        if pids := run.cluster.pids(role):  # or it has ended meanwhile
            pid = run.random.choice(pids)
            with contextlib.suppress(ProcessLookupError), run.crash():
                os.kill(pid, signal.SIGKILL)


def wait_quietly(condition: Callable[[], object]) -> bool:
    """Wait for something that is not sure to come; whether it did."""
    return comes(condition, 5)


@fault("kill worker", short=True)
def kill_worker(run: Run) -> None:
    """Kill a worker, up to three times."""
    kill(run, "worker")


@fault("kill pusher")
def kill_pusher(run: Run) -> None:
    """Kill the pusher, up to three times."""
    kill(run, "pusher")


@fault("kill monitor", short=True)
def kill_monitor(run: Run) -> None:
    """Kill the monitor, up to three times."""
    kill(run, "monitor")


@fault("kill sentinel")
def kill_sentinel(run: Run) -> None:
    """Kill the sentinel."""
    run.instant()
    wait_quietly(lambda: run.cluster.pids("sentinel"))
    with run.crash(psutil.Process(run.cluster.pids("sentinel")[0])):
        run.cluster.kill("sentinel")


@fault("kill scheduler", scheduler=True)
def kill_scheduler(run: Run) -> None:
    """Kill the scheduler, up to three times."""
    kill(run, "scheduler")
    run.crashes.clear()  # it holds no task


@fault("kill main process")
def kill_main(run: Run) -> None:
    """Kill the main process alone, and start the cluster again."""
    run.instant()
    run.cluster.processes()
    with run.crash():
        run.cluster.process.kill()
        run.cluster.process.wait(10)
        wait_until(lambda: not run.cluster.remaining_processes(), 20)
    run.start_cluster()


@fault("kill whole tree", short=True)
def kill_tree(run: Run) -> None:
    """Kill all processes at once, and start the cluster again."""
    run.instant()
    with run.crash():
        run.cluster.kill_all()
    run.start_cluster()


@fault("kill at random")
def kill_random(run: Run) -> None:
    """Kill several processes of any kind, one soon after the other."""
    for _ in range(run.random.randint(2, 4)):
        run.instant()
        victims = run.cluster.processes()[1:]
        if victims:
            victim = run.random.choice(victims)
            with contextlib.suppress(psutil.Error), run.crash(victim):
                victim.kill()


@fault("two clusters, kill one")
def kill_one_of_two(run: Run) -> None:
    """Kill one of two clusters at once."""
    run.start_cluster()
    run.instant()
    with run.crash():
        run.clusters[0].kill_all()


@fault("pause each process")
def pause(run: Run) -> None:
    """Pause a process of each kind (SIGSTOP), shorter than a lease."""
    for role in ("worker", "pusher", "monitor", "sentinel"):
        if wait_quietly(lambda role=role: run.cluster.pids(role)):
            run.cluster.pause(role, run.random.uniform(0.05, 0.5))


@fault("pause longer than a lease")
def pause_long(run: Run) -> None:
    """Pause one process for longer than leases last."""
    role = run.random.choice(["worker", "pusher", "monitor", "sentinel"])
    run.lapse()
    run.cluster.pause(role, RETRY * 1.6)


@fault("freeze monitor", short=("redis",))
def freeze_monitor(run: Run) -> None:
    """Freeze the monitor for good (SIGSTOP)."""
    freeze(run, "monitor")


@fault("freeze pusher")
def freeze_pusher(run: Run) -> None:
    """Freeze the pusher for good (SIGSTOP)."""
    freeze(run, "pusher")


@fault("freeze sentinel", stop_timeout=3)
def freeze_sentinel(run: Run) -> None:
    """Freeze the sentinel for good (SIGSTOP); at times stop then, and start another cluster."""
    freeze(run, "sentinel")
    if run.random.random() < 0.5:
        with run.crash():
            run.cluster.processes()
            run.cluster.stop()
        run.start_cluster()


def freeze(run: Run, role: str) -> None:
    """Stop a process of a role, with the deliveries that it holds."""
    run.instant()
    wait_quietly(lambda: run.cluster.pids(role))
    for _ in range(2):
        run.lapse()
    run.cluster.kill(role, signal.SIGSTOP)


@fault("pause the whole tree longer than a lease")
def pause_tree(run: Run) -> None:
    """Pause one of two clusters for longer than leases last, as a laptop that sleeps does."""
    run.start_cluster()
    sleeping = run.clusters[0].processes()
    for process in sleeping:
        with contextlib.suppress(psutil.Error):
            process.suspend()
    time.sleep(RETRY * 1.6)
    for process in sleeping:
        with contextlib.suppress(psutil.Error):
            process.resume()
    run.lapse()


@fault("stop under load", short=True)
def stop(run: Run) -> None:
    """Stop under load (SIGTERM), and start another cluster."""
    run.instant()
    code = run.cluster.stop()
    assert code == 0, code
    run.start_cluster()


@fault("two stop signals under load")
def stop_twice(run: Run) -> None:
    """Stop at once under load (SIGTERM twice), and start another cluster."""
    run.instant()
    run.cluster.processes()
    run.cluster.terminate()
    run.instant(0.1)
    with run.crash():
        run.cluster.terminate()
        # The second signal may come when all is done and the interpreter ends.
        assert run.cluster.process.wait(20) in (0, -signal.SIGTERM)
    run.start_cluster()


@fault("hooks slower than a lease", ("redis", "sqlite"), short=True)
def slow_hooks(run: Run) -> None:
    """Let hooks take longer than leases last, with results that wait behind them."""
    for number in range(10_000, 10_012):
        arguments = (str(run.trace_file), number, 0)
        run.attempt(number, arguments, {"hook": "tests.faults.tasks.slow_hook"})


@fault("kill worker with a megabyte")
def kill_large(run: Run) -> None:
    """Kill workers while packages and results of a megabyte come and go."""
    for number in range(10_000, 10_030):
        run.attempt(number, (str(run.trace_file), number, 0, os.urandom(BALLAST)), {})
    kill(run, "worker")
