"""Tasks with options that their broker has to know: what was asked, and what has to hold of it."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults.invariants import TaskRun, Trace, not_explained, overlap

if TYPE_CHECKING:
    from tests.faults.driver import Run

#: Seconds: of a delay at most, until a task expires, for which a unique key outlives its task.
LONGEST_DELAY, EXPIRY, UNIQUE_FOR = 1.0, (0.02, 0.1, 0.5), 0.5
#: Seconds that a task may begin before it is due or after it has expired: what a clock may be
#: wrong by, and as long as a server's answer may be under way.
EARLY, LATE = 0.05, 1.5
#: Unique keys, and idempotency keys, of a run: few, so that tasks of one key meet.
KEYS = 4
#: Numbers of the tasks that try a unique key again when all is over begin here.
RETRIED = 50_000


def make_options(
    choose: random.Random, has_delays: bool, keeps_keys: bool = True
) -> dict[str, Any]:
    """Make up options of a task, of one kind or of two that belong together.

    Without ``keeps_keys`` no unique key outlives its task.
    """
    delay = {"run_after": choose.uniform(0, LONGEST_DELAY)} if has_delays else {}
    key = f"key {choose.randrange(KEYS)}"
    makers: tuple[Callable[[], dict[str, Any]], ...] = (
        lambda: {"priority": choose.randint(-100, 100)},
        lambda: {**delay, "priority": choose.choice([-5, 0, 5])},
        lambda: {"expires": choose.choice(EXPIRY)},
        lambda: {"unique": key},
        lambda: {"unique": key, "on_duplicate": "reject"},
        lambda: {"unique": key, "on_duplicate": "replace", **delay},
        lambda: {
            "unique": key,
            **({"unique_for": UNIQUE_FOR} if has_delays and keeps_keys else {}),
        },
        lambda: {"idempotency_key": key},
        lambda: {"track": True},
    )
    return choose.choice(makers)()


@dataclass
class Asked:
    """What was asked of tasks with options, by the number of the task. Times are monotonic."""

    not_before: dict[int, float] = field(default_factory=dict)
    not_after: dict[int, float] = field(default_factory=dict)  # of accepted ones alone
    unique: dict[int, str] = field(default_factory=dict)  # the key
    idempotent: dict[int, str] = field(default_factory=dict)  # the key

    def send(self, number: int, options: dict[str, Any]) -> None:
        """Note what a call asks for that is made now; it may be enqueued although it raises."""
        if "run_after" in options:
            self.not_before[number] = time.monotonic() + options["run_after"]
        if "unique" in options:
            self.unique[number] = options["unique"]
        if "idempotency_key" in options:
            self.idempotent[number] = options["idempotency_key"]

    def accept(self, number: int, options: dict[str, Any]) -> None:
        """Note that the call has returned."""
        if "expires" in options:
            self.not_after[number] = time.monotonic() + options["expires"]

    def expired(self, accepted: dict[int, str], expired: set[str]) -> set[str]:
        """Choose those of the ids of expired tasks that were to expire."""
        return expired & {accepted[number] for number in self.not_after}

    def violations(self, trace: Trace, run: Run, expired: set[str]) -> Iterator[str]:
        """Say what does not hold. ``expired`` are the ids of the rows that say so.

        Where leases ended early, or clocks were stepped, what depends on time is left out.
        """
        found = {
            "an idempotency key has several tasks": self.several_of_a_key(trace, run),
            "expired and had run": self.run_though_expired(trace, run, expired),
        }
        if not run.has_lapsed:
            found |= {
                "begun before it was due": self.early(trace),
                "two of one unique key at once": self.at_once(trace),
            }
            if run.has_delays:  # otherwise the clock is set back, and what expires has more time
                found["begun after it had expired"] = self.late(trace)
        return (f"{text}: {what}" for text, what in found.items() if what)

    def early(self, trace: Trace) -> list[int]:
        """Find tasks that began before they were due."""
        runs = times(trace, self.not_before)
        return [each.number for each, due in runs if each.began < due - EARLY]

    def late(self, trace: Trace) -> list[int]:
        """Find tasks that began when they had expired."""
        runs = times(trace, self.not_after)
        return [each.number for each, end in runs if each.began > end + LATE]

    def at_once(self, trace: Trace) -> list[str]:
        """Find unique keys of which two tasks ran at once."""
        runs = {
            key: [run for number in numbers for run in trace.runs.get(number, ())]
            for key, numbers in by_key(self.unique).items()
        }
        return [key for key, of_key in runs.items() if overlap(of_key)]

    def several_of_a_key(self, trace: Trace, run: Run) -> list[str]:
        """Find idempotency keys for which two tasks ran, or two ids were returned."""
        return [
            key
            for key, numbers in by_key(self.idempotent).items()
            if sum(bool(trace.runs.get(number)) for number in numbers) > 1
            or len({run.accepted[number] for number in numbers if number in run.accepted}) > 1
        ]

    def run_though_expired(self, trace: Trace, run: Run, expired: set[str]) -> list[int]:
        """Find tasks that have run and ended as expired, but for those that a crash has ended."""
        numbers = [n for n in self.not_after if run.accepted[n] in expired and trace.runs.get(n)]
        # The end as expired counts as one run more.
        runs = {number: [*trace.runs[number], trace.runs[number][-1]] for number in numbers}
        return not_explained(Trace(defaultdict(list, runs)), run.crashes)


def times(trace: Trace, moments: dict[int, float]) -> Iterator[tuple[TaskRun, float]]:
    """List the runs of tasks, each with the moment of its task."""
    for number, moment in moments.items():
        for run in trace.runs.get(number, ()):
            yield run, moment


def by_key(keys: dict[int, str]) -> dict[str, list[int]]:
    """List the numbers of each key."""
    found: dict[str, list[int]] = defaultdict(list)
    for number, key in keys.items():
        found[key].append(number)
    return found


def taken_keys(keys: Iterable[str], is_free: Callable[[str, int], bool]) -> list[str]:
    """Say which unique keys are taken; ``is_free`` enqueues a task of those that are not."""
    numbers = {key: RETRIED + index for index, key in enumerate(sorted(set(keys)))}
    return [f"not free: {key}" for key, number in numbers.items() if not is_free(key, number)]
