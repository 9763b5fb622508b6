"""Tasks that are steered: tried again, resumed, cancelled; and what has to hold of them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django_q.brokers.contract.orders import REMOVED
from django_q.exceptions import TaskCancelled
from django_q.models import Heartbeat, Task
from django_q.orders.cancelling import cancel_queued, make_order
from django_q.text.function_names import dotted_name
from tests.faults.invariants import Trace
from tests.faults.rigs import ALIAS
from tests.faults.steered_tasks import FAILURES, ITEMS, Failed, item_key, marks_of

if TYPE_CHECKING:
    from tests.faults.driver import Run

#: How often a task that is tried again fails at most, and items of one that goes through some.
MAX_FAILURES, MAX_ITEMS = 3, 60
#: The options of a task that fails at first: it may fail more often, by chance of what breaks.
RETRIES = {"retries": 20, "retry_delay": 0.1, "retry_backoff": 1, "retry_jitter": 0}
#: Retries of one whose items are rows: it fails for as long as its database is broken.
ROW_RETRIES = 200
#: Share of the tasks with options that are cancelled, of those that are found by their id.
CANCELLED_SHARE = 0.2


@dataclass
class Steered:
    """What was asked of steered tasks, by the number of the task."""

    choose: random.Random
    failures: dict[int, int] = field(default_factory=dict)  # how often it fails
    items: dict[int, int] = field(default_factory=dict)  # how many it goes through
    with_rows: set[int] = field(default_factory=set)  # those whose items are rows
    cancelled: set[str] = field(default_factory=set)  # ids for which it was asked
    removed: dict[str, float] = field(default_factory=dict)  # ids; when, monotonic

    def make_up(
        self, path: str, number: int, has_delays: bool = True
    ) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Make up a call: the function, its arguments, its options."""
        choose = self.choose
        retries = RETRIES if has_delays else {**RETRIES, "retry_delay": 0}
        if choose.random() < 0.5:
            self.failures[number] = times = choose.randint(1, MAX_FAILURES)
            return (
                "steered_tasks.fail_at_first",
                (path, number, times),
                {"q_options": dict(retries)},
            )
        self.items[number] = count = choose.randint(1, MAX_ITEMS)
        batch, has_rows = choose.choice([None, 7]), choose.random() < 0.5
        if has_rows:
            self.with_rows.add(number)
        options = {"q_options": dict(choose.choice([{"track": True}, {}]))}
        if has_rows:
            options["q_options"] |= {**retries, "retries": ROW_RETRIES}
        return "steered_tasks.walk", (path, number, count, batch, has_rows), options

    def cancel_some(self, task_id: str, run: Run) -> None:
        """Cancel a task, now and then, and note when it was removed."""
        if self.choose.random() < CANCELLED_SHARE:
            self.cancelled.add(task_id)
            found = cancel_queued(task_id, run.producing, make_order("the driver", "as asked"))
            if found and found[0] == REMOVED:
                self.removed[task_id] = time.monotonic()

    def ended_as_cancelled(self) -> set[str]:
        """Find the ids of tasks that have ended as cancelled, as was asked."""
        rows = Task.objects.using(ALIAS).filter(exception=dotted_name(TaskCancelled))
        return self.cancelled & set(rows.values_list("id", flat=True))

    def violations(self, trace: Trace, run: Run) -> Iterator[str]:
        """Say what does not hold."""
        succeeded = run.saved(success=True)
        found = {
            "an item was skipped": self.skipped(run, succeeded),
            "run though it was removed": self.run_though_removed(trace, run),
            "attempts not counted right": self.miscounted(run, succeeded),
        }
        return (f"{text}: {what}" for text, what in found.items() if what)

    def skipped(self, run: Run, succeeded: set[str]) -> list[tuple[int, list[int]]]:
        """Find tasks that have ended, of which items are not done."""
        keys = set(Heartbeat.objects.using(ALIAS).values_list("key", flat=True))
        found = []
        for number, count in self.items.items():
            if run.accepted.get(number) not in succeeded:
                continue
            marks = set(marks_of(f"{run.trace_file}{ITEMS}", number))
            done = keys if number in self.with_rows else {item_key(number, m) for m in marks}
            if missing := [i for i in range(count) if item_key(number, i) not in done]:
                found.append((number, missing))
        return found

    def run_though_removed(self, trace: Trace, run: Run) -> list[int]:
        """Find tasks that began after the call that removed them."""
        return [
            number
            for number, task_id in run.accepted.items()
            if any(
                each.began > self.removed.get(task_id, float("inf"))
                for each in trace.runs.get(number, ())
            )
        ]

    def miscounted(self, run: Run, succeeded: set[str]) -> list[tuple[int, int, int]]:
        """Find tasks of which other ends are recorded than happened: number, recorded, happened.

        What a crash took away before it was recorded is missing there.
        """
        rows = Task.objects.using(ALIAS).filter(id__in=succeeded)
        attempts = dict(rows.values_list("id", "attempts"))
        found = []
        for number in self.failures:
            if (task_id := run.accepted.get(number)) not in succeeded:
                continue
            ends = [e["exception"] for e in attempts[task_id] or []]
            recorded = ends.count(dotted_name(Failed))
            happened = len(marks_of(f"{run.trace_file}{FAILURES}", number))
            if recorded > happened or (recorded < happened and not run.crashes):
                found.append((number, recorded, happened))
        return found
