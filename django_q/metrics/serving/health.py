"""Which processes of a cluster run, and what that means for a probe. Asks no server.

A cluster that can not be mended from within is to be started again: its main process or sentinel
stands still, or a process that it needs can not be started, or is killed whenever it starts. One
that ends by an error of its own is no such reason: the code and the servers are the same
afterwards, and tasks that run would be lost. That keeps a cluster from being ready.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from django_q.conf import Conf
from django_q.processes.shared_state.process_table import (
    FAILED_START_SECONDS,
    ProcessEntry,
    ProcessTable,
)
from django_q.processes.supervision.child import RESTART_BACKOFF_SECONDS
from django_q.processes.supervision.process_start import MONITOR, PUSHER, SENTINEL, WORKER

#: Seconds without a sign of the main process, or without a sentinel or a sign of it, until the
#: cluster counts as dead. A sentinel that stands still is replaced sooner.
DEAD_SECONDS = 60.0
#: Seconds for which a process that ends once may be missing: its successor is started at once, and
#: counts when it has not failed to start.
RESTART_SECONDS = 2 * FAILED_START_SECONDS
#: Seconds after which restarts do not help: so many of them, with the longest time between two.
FUTILE_RESTARTS = 10
FUTILE_SECONDS = FUTILE_RESTARTS * RESTART_BACKOFF_SECONDS[1]


#: Whether a process that has been missing for so many seconds is a problem.
Rule = Callable[[ProcessEntry, float], bool]


class Health:
    """What the main process and the sentinel have written about the processes of a cluster."""

    def __init__(
        self,
        main: ProcessTable,
        children: ProcessTable,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.main, self.children, self.clock = main, children, clock

    def fatal_problems(self) -> list[str]:
        """Say why the cluster is to be started again; nothing if it is not."""
        now = self.clock()
        problems = []
        for name, table in (("main process", self.main), (SENTINEL, self.children)):
            silent = now - table.liveness.latest
            if table.liveness.latest and silent > DEAD_SECONDS:
                problems.append(f"The {name} has stood still for {silent:.0f} seconds.")
        return [*problems, *self.missing(sentinel_is_lost, restarts_are_futile)]

    def problems(self) -> list[str]:
        """Say which processes are missing without which the cluster does not work."""
        return list(self.missing(is_missing, is_missing))

    def missing(self, sentinel_rule: Rule, child_rule: Rule) -> Iterator[str]:
        """Name the processes that are missing by these rules, and how the latest ones ended.

        Of the workers the one counts that has been missing for the shortest time.
        """
        now = self.clock()
        workers = [name for name in self.children.names if name.startswith(WORKER)]
        for what, table, names, rule in (
            (SENTINEL, self.main, [SENTINEL], sentinel_rule),
            (PUSHER, self.children, [PUSHER], child_rule),
            (MONITOR, self.children, [MONITOR], child_rule),
            (WORKER, self.children, workers, child_rule),
        ):
            latest = min(map(table.entry, names), key=lambda entry: entry.missing_seconds(now))
            seconds = latest.missing_seconds(now)
            if seconds > 0 and rule(latest, seconds):
                yield f"No {what} has run for {seconds:.0f} seconds{exit_text(latest)}."

    def lines(self) -> list[str]:
        """Describe each process on a line: its name, pid and state."""
        now = self.clock()
        return [
            f"{name:<10} {entry.pid or '-':>7}  {state_text(entry, now)}"
            for table in (self.main, self.children)
            for name, entry in zip(table.names, table.entries, strict=True)
        ]


def is_missing(entry: ProcessEntry, seconds: float) -> bool:
    """Whether a process is missing for longer than a restart takes, or fails to start each time."""
    return seconds > RESTART_SECONDS or entry.failed_starts > 1


def sentinel_is_lost(entry: ProcessEntry, seconds: float) -> bool:
    """Whether the main process does not get another sentinel to run."""
    return seconds > DEAD_SECONDS


def restarts_are_futile(entry: ProcessEntry, seconds: float) -> bool:
    """Whether a process does not run in this cluster, for another reason than its own error."""
    return seconds > FUTILE_SECONDS and entry.exit_code <= 0


def state_text(entry: ProcessEntry, now: float) -> str:
    """Describe what a process does, or for how long it has been missing."""
    if entry.has_started(now):
        return f"running for {now - entry.started_at:.0f} s"
    seconds = entry.missing_seconds(now)
    if seconds < 0:
        return "stopped"
    state = f"{'starting' if entry.pid else 'missing'} for {seconds:.0f} s"
    return state + exit_text(entry)


def exit_text(entry: ProcessEntry) -> str:
    """Describe the failed starts and the latest exit; nothing if there are none."""
    code = entry.exit_code
    parts = [f"{entry.failed_starts} failed starts"] if entry.failed_starts > 1 else []
    if code < 0:
        parts.append(f"the latest one ended by {Conf.SIGNAL_NAMES.get(-code, f'signal {-code}')}")
    elif code > 0:
        parts.append(f"the latest one ended with exit code {code}")
    return "".join(f", {part}" for part in parts)
