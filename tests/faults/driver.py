"""The driver: runs a known set of tasks while something breaks, and counts what became of them."""

from __future__ import annotations

import contextlib
import math
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psutil
from django.db import DatabaseError, connections
from redis import RedisError

from django_q.completion.orphans import MAX_CRASHES
from django_q.exceptions import AlreadyEnqueued, Expired
from django_q.models import Task
from django_q.tasks import async_task
from django_q.text.function_names import dotted_name
from django_q.wire.package import derived_id
from tests.clusters import is_alive
from tests.faults.driven_cluster import RETRY, DrivenCluster, offspring
from tests.faults.invariants import LINK, Crash, Trace, Verdict, absent_tasks, not_explained
from tests.faults.options import RETRIED, Asked, make_options, taken_keys
from tests.faults.pauses import Pauses
from tests.faults.progress import Progress
from tests.faults.rigs import ALIAS, Rig
from tests.faults.steering import Steered
from tests.waiting import comes, wait_until

#: Tasks of a run, and seconds over which they are enqueued.
TASKS, SPREAD = 200, 1.2
#: Share of the tasks that fail at first, or go through items.
STEERED_SHARE = 0.1
#: Seconds after which a task that is not saved counts as not saved.
SAVE_TIMEOUT = 120
BALLAST = 1024 * 1024
#: What a cluster logs of each task that went well.
DONE = " INFO Processed "


class Run:
    """One run: a load, what breaks it, and the verdict."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.random = random.Random(seed)
        self.trace_file = rig.directory / "trace"
        self.broker = self.producing = rig.broker()
        self.clusters: list[DrivenCluster] = []
        self.accepted: dict[int, str] = {}  # number: id of the task
        self.hooked: set[int] = set()
        self.asked = Asked()
        self.steered = Steered(random.Random(-seed))
        self.pauses = Pauses(random.Random(f"pauses {seed}"), self)
        self.has_delays = True  # whether tasks may wait for a time of the server's clock
        self.keeps_keys = True  # whether unique keys may outlive their task by that clock
        self.crashes: list[Crash] = []
        self.parts: list[str] = []  # what a mixture is made of
        self.has_lapsed = False  # whether leases ended because nobody could extend them
        self.refused = 0  # calls that raised
        self.progress: Progress | None = None  # once what was broken is whole again
        self.may_be_left = False  # a fault after which a stop is no stop in good order
        self._producer: threading.Thread | None = None
        self._produced = 0

    @property
    def cluster(self) -> DrivenCluster:
        """The cluster that works now."""
        return self.clusters[-1]

    def start_cluster(self, ready: bool = True, **options: Any) -> DrivenCluster:
        """Start a cluster."""
        self.clusters.append(DrivenCluster(self.rig, **options))
        return self.cluster.wait_ready() if ready else self.cluster

    # The load.

    def produce(self, count: int = TASKS, spread: float = SPREAD) -> None:
        """Enqueue tasks over some seconds, in a thread of their own."""
        first = self._produced
        self._produced += count
        calls = [self.call(number) for number in range(first, first + count)]
        self._producer = threading.Thread(target=self.enqueue, args=(calls, spread))
        self._producer.start()

    def use_proxy_to_produce(self) -> None:
        """Enqueue by the way that the clusters take, for calls to come."""
        self.producing = self.rig.broker(through_proxy=True)

    def call(self, number: int) -> tuple[int, str, tuple, dict]:
        """Make up a call: its number, function, arguments and options."""
        if self.random.random() < STEERED_SHARE:
            return number, *self.steered.make_up(str(self.trace_file), number, self.has_delays)
        return self.plain_call(number)

    def plain_call(self, number: int) -> tuple[int, str, tuple, dict]:
        """Make up a task: most are short, some take a while, carry a megabyte or have a hook."""
        kind = self.random.random()
        seconds = self.random.uniform(0.1, 0.5) if kind < 0.05 else self.random.uniform(0, 0.01)
        ballast = os.urandom(BALLAST) if 0.05 < kind < 0.08 else b""
        options: dict[str, Any] = {"hook": "tests.faults.tasks.hook"} if 0.2 < kind < 0.4 else {}
        if 0.4 < kind < 0.45:
            link = ("tests.faults.tasks.work", (str(self.trace_file), LINK + number, 0))
            options = {"chain": [link]}
        if 0.5 < kind < 0.8:
            options = {"q_options": make_options(self.random, self.has_delays, self.keeps_keys)}
            seconds *= 10  # so that tasks of one key meet
            if "expires" in options["q_options"]:
                options["hook"] = "tests.faults.tasks.hook"
        return number, "tasks.work", (str(self.trace_file), number, seconds, ballast), options

    def enqueue(self, calls: list, spread: float) -> None:
        """Enqueue half of the tasks at once, the others over a time."""
        try:
            for index, (number, func, arguments, options) in enumerate(calls):
                if index > len(calls) // 2:
                    time.sleep(spread / len(calls) * 2)
                self.attempt(number, arguments, options, func)
                self.pauses.at(index / len(calls))
        finally:
            connections.close_all()

    def attempt(
        self, number: int, arguments: tuple, options: dict, func: str = "tasks.work"
    ) -> None:
        """Enqueue one task; what raises is not accepted."""
        self.asked.send(number, options.get("q_options", {}))
        try:
            self.accepted[number] = async_task(
                f"tests.faults.{func}", *arguments, broker=self.producing, **options
            )
        except AlreadyEnqueued as error:
            self.accepted[number] = error.task_id
        except Exception:
            self.refused += 1
        else:
            self.asked.accept(number, options.get("q_options", {}))
            if "hook" in options:
                self.hooked.add(number)
            if "q_options" in options and number < RETRIED:
                self.cancel_some(number)
            if "chain" in options:
                self.accepted[LINK + number] = derived_id(self.accepted[number], "next")

    def cancel_some(self, number: int) -> None:
        """Cancel a task that was accepted, now and then; what raises was not heard."""
        with contextlib.suppress(Exception):
            self.steered.cancel_some(self.accepted[number], self)

    def begin(self) -> None:
        """Wait until the load is on: some tasks have run."""
        wait_until(lambda: len(self.trace().runs) > 5)

    def instant(self, longest: float = 0.5) -> None:
        """Let a random time pass."""
        time.sleep(self.random.uniform(0, longest))

    def trace(self) -> Trace:
        """Read what the tasks have left so far."""
        return Trace.read(self.trace_file)

    # The verdict.

    def saved(self, **conditions: Any) -> set[str]:
        """Find the ids of the tasks that have ended."""
        rows = Task.objects.using(ALIAS).filter(**conditions)
        return set(rows.values_list("id", flat=True))

    def not_saved(self) -> list[int]:
        """Find the accepted tasks that have not ended."""
        saved = self.saved()
        return [number for number, id in self.accepted.items() if id not in saved]

    def done(self) -> set[str]:
        """Find the ids of tasks that are saved and acknowledged; none where that can't be asked."""
        with contextlib.suppress(DatabaseError, RedisError):
            saved = self.saved()
            return saved - self.rig.ids_in_queue(self.broker)
        return set()

    @contextlib.contextmanager
    def crash(self, *victims: psutil.Process) -> Iterator[None]:
        """Note what those may have held that a block ends.

        Of victims that have children, these end soon after, and may begin a task until then.
        """
        family = [child for each in victims for child in offspring(each)]
        done = self.done()
        numbers = {number for number, id in list(self.accepted.items()) if id in done}
        yield
        self.quietly(lambda: not any(is_alive(child) for child in family), 10)
        self.crashes.append(Crash(time.monotonic(), numbers))

    def lapse(self) -> None:
        """Note that leases ended because nobody could extend them: whatever runs may repeat."""
        self.crashes.append(Crash(math.inf, set()))
        self.has_lapsed = True

    def finish_producing(self) -> None:
        """Wait until all calls were made."""
        if self._producer:
            self._producer.join()

    def settle(self) -> Verdict:
        """Wait until all is saved, stop the cluster, and judge."""
        progress = self.progress = Progress()
        self.finish_producing()
        self.pauses.end()
        missing = self.drain(progress)
        taken = [] if missing else self.taken_keys()
        missing = missing or self.drain(Progress())
        absent = absent_tasks(missing, self.accepted)
        in_broker = self.in_broker()
        left = self.end()
        trace = self.trace()
        failed = self.saved(success=False)
        expired = self.saved(exception=dotted_name(Expired))
        if not missing:
            left += [f"{in_broker} deliveries"] if in_broker else self.rig.left_in_queue()
        return Verdict(
            tasks=len(self.accepted),
            lost=absent[in_broker:],
            waiting=min(len(absent), in_broker),
            failed=self.failed_unduly(
                failed
                - self.asked.expired(self.accepted, expired)
                - self.steered.ended_as_cancelled(),
                trace,
            ),
            expired=len(expired),
            options=[
                *self.asked.violations(trace, self, expired),
                *self.steered.violations(trace, self),
                *self.pauses.violations(trace),
                *taken,
            ],
            repeated=trace.repeated.total(),
            not_explained=not_explained(trace, self.crashes),
            crashes=len(self.crashes),
            # A run that was paused past its lease goes on beside its successor: it is not its
            # end that counts, and nobody can stop it before.
            overlapping=[] if self.has_lapsed else trace.overlapping(),
            without_hook=sorted(self.hooked - set(trace.hooks) - set(missing)),
            left=left,
            seconds=progress.ended(),
            stall=round(progress.longest_stall(), 2),
        )

    def drain(self, progress: Progress) -> list[int]:
        """Wait until all is saved and acknowledged; the tasks that are not saved."""
        missing = self.await_saved(progress)
        if not missing:
            self.await_empty()
        return missing

    def taken_keys(self) -> list[str]:
        """Enqueue one more task of each unique key; those that are taken though all has ended."""
        return taken_keys(self.asked.unique.values(), self.is_free)

    def is_free(self, key: str, number: int) -> bool:
        """Enqueue a task of a unique key, unless it is taken for longer than a lease."""
        options = {"q_options": {"unique": key, "on_duplicate": "reject"}}

        def is_enqueued() -> bool:
            before = set(self.accepted.values())
            self.attempt(number, (str(self.trace_file), number, 0), options)
            return number in self.accepted and self.accepted[number] not in before

        return self.quietly(is_enqueued, RETRY)

    def await_saved(self, progress: Progress) -> list[int]:
        """Wait until all tasks are saved, for ``SAVE_TIMEOUT`` seconds; those that are not."""
        until = time.monotonic() + SAVE_TIMEOUT
        while True:
            missing = sorted(self.not_saved())
            progress.note(len(missing))
            if not missing or time.monotonic() > until:
                return missing
            time.sleep(0.05)

    def await_empty(self) -> None:
        """Wait until the broker is empty, as long as it gets emptier.

        Hooks that end the monitor are called again with growing pauses, once their task is saved.
        """
        while left := self.in_broker():
            if not self.quietly(lambda left=left: self.in_broker() < left, SAVE_TIMEOUT):
                break

    def failed_unduly(self, failed: set[str], trace: Trace) -> list[int]:
        """Find tasks that failed although they were not killed three times, which is the limit."""
        runs = Counter()  # of one id are several numbers, where a unique key had a task
        for number, id in self.accepted.items():
            runs[id] += len(trace.runs.get(number, ()))
        numbers = [number for number, id in self.accepted.items() if id in failed]
        return [number for number in numbers if runs[self.accepted[number]] < MAX_CRASHES]

    def in_broker(self) -> int:
        """Count what is in the broker."""
        return self.broker.queue_size() + self.broker.lock_size()

    def quietly(self, condition: Callable[[], Any], timeout: float) -> bool:
        """Wait for a condition; whether it came."""
        return comes(condition, timeout)

    def end(self) -> list[str]:
        """Stop what runs in good order; say what stayed behind."""
        left = []
        for cluster in self.clusters:
            code = cluster.stop()
            if cluster is self.cluster and code and not self.may_be_left:
                left.append(f"exit code {code}")
            if not self.quietly(lambda cluster=cluster: not cluster.remaining_processes(), 15):
                left += [f"process {process}" for process in cluster.remaining_processes()]
            left += [f"file {path.name}" for path in cluster.files.iterdir()]
        self.broker.close()
        self.producing.close()
        if not self.quietly(lambda: not self.rig.clients(), 15):
            left.append(f"{self.rig.clients()} connections")
        return left

    def told(self) -> str:
        """Say what was mixed, and what the clusters have logged."""
        progress = self.progress.told(self.rig.directory) if self.progress else ""
        return f"{', '.join(self.parts)}\n{progress}\n{self.logs()}"

    def logs(self) -> str:
        """Give the last lines of what the clusters have logged, but of tasks that went well."""
        texts = [cluster.log() for cluster in self.clusters]
        kept = [[line for line in text.splitlines() if DONE not in line] for text in texts]
        return "\n--- next cluster\n".join("\n".join(lines[-40:]) for lines in kept)

    def close(self) -> None:
        """Leave nothing behind, whatever has happened."""
        self.finish_producing()
        for cluster in self.clusters:
            for process in cluster.processes():
                with contextlib.suppress(psutil.Error):
                    process.resume()
            cluster.end()
        self.broker.close()
        self.rig.close()
