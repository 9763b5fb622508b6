"""The monitor: takes what workers put out, and completes it in groups."""

from __future__ import annotations

import logging
import math
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from django_q.brokers import get_broker, leased
from django_q.brokers.base import Broker
from django_q.calls.producer import forget, lasting, submit_once
from django_q.completion.completion import Spent, complete
from django_q.completion.dead_letters import Abandoned, Graveyard, recover
from django_q.completion.steps import Steps, ask
from django_q.conf import Conf, logger
from django_q.descriptor_wait import readable
from django_q.exceptions import StoreAway, StoreRefuses, brief, endure
from django_q.execution.execution import Undecodable
from django_q.foreign_code.guards import Inside
from django_q.processes.logs.log_queue import gathering
from django_q.processes.logs.outages import Trouble, is_passing
from django_q.processes.logs.repeated_errors import Complaint
from django_q.processes.shared_state.result_queue import receipts_in, say_stuck
from django_q.processes.supervision.process_start import leash, say_ready
from django_q.queues import STOP, Queue
from django_q.servers import connections
from django_q.wire.package import TaskPackage

#: Tasks completed together at most.
GROUP = 500
#: Seconds for which receipts alone wait for others, to be acknowledged together.
LINGER = 0.005
#: Seconds to wait after the database or the broker failed: at first, and at most.
BACK_OFF = (0.1, 2.0)
#: Seconds without work after which a database connection is closed, as CONN_MAX_AGE has it.
KEEP_CONNECTION = 5.0
#: Share of a lease between two looks at the leases of what waits; see ``leases``.
LOOK = 0.08
#: Seconds that a group may take unnoticed.
GLANCE = 0.05
#: Seconds for which a hook may run, or a server be silent, before anybody hears of it.
LONG = 2.0
#: Tries of what fails for a reason of its own.
TRIES = 3
#: Seconds between two tries of a transaction that loses against others.
BRIEFLY = (0.005, 0.05)


def monitor(result_queue: Any, broker: Broker | None = None) -> None:
    """Complete what comes out of the result queue, until ``STOP``.

    Takes what has arrived, up to 500 tasks, in one go; one alone is completed at once.
    """
    desk = Desk(result_queue, leased(broker or get_broker()))
    say_stuck(result_queue, False)  # by one that was killed, perhaps
    if leash():
        threading.Thread(target=desk.keep, name="keeper", daemon=True).start()
    say_ready("monitoring")
    while desk.take():
        desk.settle()
    with desk.lock:
        desk.broker.close()


class Desk:
    """A monitor at work."""

    def __init__(self, result_queue: Any, broker: Broker) -> None:
        self.result_queue = result_queue
        self.broker = broker
        self.graveyard = Graveyard(broker)
        self.backlog: deque[Any] = deque()  # taken while the database was away
        self.group: list[Any] = []  # being completed
        self.stopped = False
        self.busy_since = math.inf  # monotonic; with the group that is being completed
        self.complaint = (math.inf, 0.0)  # of what, by its start, and how long it had taken
        self.trouble = Trouble("results are saved again")
        self.refusals = Trouble("")  # of what is not repeated
        self.unleased = Complaint("leases are extended again")
        self.cut_off = False  # whether leases of what waits can not be extended
        self.holding = threading.Lock()  # so that what arrives is held in its order
        self.lock = threading.Lock()  # who reads the queue while that takes long
        if isinstance(result_queue, Queue) and leash():
            # The last writer to go ends the queue: this process must not count as one.
            result_queue.writer.close()

    def take(self) -> bool:
        """Take the next group, waiting for it; False when there is nothing more to come."""
        self.group, end = [], 0.0
        while len(self.group) < GROUP and (self.backlog or not self.stopped):
            items = self.take_some(block=not self.group)
            end = end or time.monotonic() + LINGER
            if not items and not self.comes_more(end):
                break
            self.group += items
        return bool(self.group)

    def comes_more(self, end: float) -> bool:
        """Whether more arrives by then, where nobody waits for what is in hand."""
        if not self.group or not all(isinstance(item, Spent) for item in self.group):
            return False
        is_socket = isinstance(self.result_queue, Queue)
        return is_socket and bool(readable([self.result_queue], end - time.monotonic()))

    def take_some(self, block: bool) -> list[Any]:
        """Take what one worker sent; nothing when nothing is there, or when it is over."""
        if self.backlog:
            items = [self.backlog.popleft() for _ in range(min(GROUP, len(self.backlog)))]
            self.result_queue.count.add(-len(items))
            return items
        return self.receive(block)

    def receive(self, block: bool) -> list[Any]:
        """Take one message off the queue, and note when it says that it is the last."""
        try:
            if isinstance(self.result_queue, Queue):
                items = self.await_message() if block else self.result_queue.get_many(block=False)
            else:
                items = [self.result_queue.get(block)]
        except queue.Empty:
            return []
        except EOFError:  # everybody else is gone
            items = [STOP]
        self.stopped = self.stopped or STOP in items
        return [item for item in items if item != STOP]

    def await_message(self) -> list[Any]:
        """Wait for a message; a database connection is let go of when none comes for a while."""
        try:
            return self.result_queue.get_many(timeout=KEEP_CONNECTION)
        except queue.Empty:
            connections.close_old()
            return self.result_queue.get_many()

    def settle(self) -> None:
        """Complete a group, however long that takes."""
        self.busy_since = time.monotonic()
        self.complete_group()
        with self.lock:
            self.busy_since = math.inf
            self.note_cut_off(False)

    def complete_group(self) -> None:
        """Complete a group; what a dead worker left comes after what it had finished."""
        packages = [item for item in self.group if isinstance(item, dict)]
        self.complete(packages)
        self.acknowledge(receipts_in(item for item in self.group if isinstance(item, Spent)))
        for item in self.group:
            if isinstance(item, Undecodable):
                self.bury(item)
            elif isinstance(item, Abandoned):
                self.recover(item)

    def acknowledge(self, receipts: list[Any]) -> None:
        """Acknowledge receipts; each alone where something is wrong with one."""

        def step(some: list[Any]) -> None:
            ask(self.broker, self.broker.acknowledge_many, some)

        if receipts and not self.insist(lambda: step(receipts), tries=1):
            for receipt in receipts:
                self.insist(lambda receipt=receipt: step([receipt]))

    def bury(self, undecodable: Undecodable) -> None:
        """Move aside what can not be read; once, where the broker refuses that."""
        self.insist(lambda: ask(self.broker, self.graveyard.bury, undecodable), is_repeated=False)

    def recover(self, abandoned: Abandoned) -> None:
        """Hand back what a dead worker had in hand, and complete the task that ran."""
        found: list[Any] = []

        def step() -> None:
            found[:] = [ask(self.broker, recover, abandoned, self.broker)]

        self.insist(step)
        for item in found:
            if isinstance(item, Undecodable):
                self.bury(item)
            elif item:
                self.complete([item])

    def complete(self, packages: list[TaskPackage]) -> None:
        """Complete packages together; each alone where something is wrong with one.

        What can not be completed for a reason of its own loses that, and ends.
        """
        steps = Steps()
        if not packages or (
            len(packages) > 1
            and self.insist(lambda: self.complete_together(packages, steps), tries=1)
        ):
            return
        for package in packages:
            step = partial(self.complete_together, [package], steps)
            if not self.insist(step):
                steps.is_tolerant = True
                self.insist(step)
                steps.is_tolerant = False

    def complete_together(self, packages: list[TaskPackage], steps: Steps) -> None:
        """Complete packages, and let links of theirs go that will not be submitted again."""
        with gathering():
            links = complete(packages, self.broker, self.submit, steps)
        if links:
            try:
                forget(links, self.broker)
            except Exception as error:
                logger.debug("the ids of links are kept for longer: %s", brief(error))

    def keep(self) -> None:
        """Keep leases from ending while a group takes long: a slow hook, a database that hangs.

        The body of a thread; it sleeps unless there is need of it.
        """
        while True:
            patience = max(GLANCE, LOOK * Conf.RETRY)
            time.sleep(patience)
            try:
                with self.lock:
                    self.keep_leases(patience)
            except BaseException as error:  # nobody would look after leases any more
                logger.error("leases are kept on, after %s", brief(error))

    def keep_leases(self, patience: float) -> None:
        """Keep leases from ending where the group has taken so many seconds."""
        if time.monotonic() - self.busy_since > patience:
            while isinstance(self.result_queue, Queue) and self.hold_arrivals():
                pass
            self.note_cut_off(True)  # before an answer that may not come
            if self.extend():
                self.note_cut_off(False)
            connections.close_all()  # those of this thread
            self.complain()

    def note_cut_off(self, is_so: bool) -> None:
        """Have the pusher take nothing, whose lease would end, or go on where nothing is away."""
        if is_so != self.cut_off:
            self.cut_off = is_so
            is_away = bool(self.trouble) and self.busy_since < math.inf
            say_stuck(self.result_queue, is_so or is_away)

    def complain(self) -> None:
        """Say what keeps results waiting, half as often each time."""
        is_inside = Inside.since < math.inf
        began = Inside.since if is_inside else max(self.busy_since, Inside.last)
        seconds = time.monotonic() - began
        told = self.complaint[1] if self.complaint[0] == began else 0.0
        if seconds <= max(LONG, 2 * told):
            return
        self.complaint = (began, seconds)
        if is_inside:
            what = f"{Inside.what} of [{Inside.task}] has run for"
        else:
            what = "the database, the cache, the broker or a receiver of a signal has taken"
        logger.warning("%s %.0f seconds, and results behind it wait", what, seconds)

    def submit(self, link: TaskPackage) -> str:
        """Enqueue the next link of a chain, once: here, unless it names a cluster."""
        broker = lasting(self.broker, link.get("cluster"))
        return ask(broker, submit_once, link, self.broker)

    def insist(self, step: Callable[[], Any], tries: int = TRIES, is_repeated: bool = True) -> bool:
        """Take a step again and again while a store is away that it writes to.

        False when it failed for another reason ``tries`` times, or was refused and is not to be
        repeated. Nothing more is taken off the broker meanwhile.
        """
        pause, failures, lost_since = BACK_OFF[0], 0, None
        while True:
            try:
                step()
            except StoreAway as away:
                lost_since = lost_since or time.monotonic()
                if is_passing(away, lost_since):
                    time.sleep(random.uniform(*BRIEFLY))
                    continue
                say_stuck(self.result_queue, True)
                if isinstance(away, StoreRefuses) and not is_repeated:
                    return self.leave_it(away)
                self.trouble.tell(away, pause)
            except BaseException as error:
                endure(error)
                failures += 1
                if failures >= tries:
                    logger.warning("results can not be completed as they are", exc_info=True)
                    self.go_on()
                    return False
            else:
                self.go_on()
                return True
            connections.close_all()
            self.hold(pause)
            pause = min(pause * 2, BACK_OFF[1])

    def leave_it(self, away: StoreRefuses) -> bool:
        """Leave a step undone that the broker refuses: the delivery comes again."""
        self.refusals.tell(away, BACK_OFF[1])
        self.hold(BACK_OFF[1])
        say_stuck(self.result_queue, False)
        return False

    def go_on(self) -> None:
        """Note that results can be written."""
        if self.trouble:
            self.extend()  # before the pusher takes what was leased to us
            self.trouble.end()
            say_stuck(self.result_queue, False)

    def hold(self, seconds: float) -> None:
        """Wait, and keep the leases of all that waits to be saved meanwhile."""
        self.extend()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not isinstance(self.result_queue, Queue) or self.stopped:
                time.sleep(left)
                return
            if readable([self.result_queue], left):
                self.hold_arrivals()

    def hold_arrivals(self) -> bool:
        """Take a message that waits, for later; whether there was one.

        Its items go on counting as waiting, so that the pusher takes no more than fits.
        """
        with self.holding:
            items = [] if self.stopped else self.receive(block=False)
            self.backlog.extend(items)
        self.result_queue.count.add(len(items))
        return bool(items)

    def extend(self) -> bool:
        """Extend the leases of all that this process holds; whether the broker has done so."""
        receipts = receipts_in((*self.group, *self.backlog))
        try:
            if receipts:
                self.broker.extend(receipts, Conf.RETRY)
                self.unleased.end()
        except BaseException as error:
            endure(error)
            text = "leases could not be extended: %s"
            self.unleased.say(type(error).__name__, text, brief(error), level=logging.WARNING)
            return False
        return True
