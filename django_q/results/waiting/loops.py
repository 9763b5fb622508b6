"""Wait for results in coroutines: one subscription and one query for all of an event loop."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from contextvars import Context
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.db import connections

from django_q.brokers.contract.result_channel import ANY_MARK, mark_of
from django_q.results.waiting.polling import MAX_RESULT_POLL_SECONDS, Pace
from django_q.results.waiting.questions import Question, find_by_any_connection
from django_q.results.waiting.shared_subscription import SharedSubscription

#: Share of a pause by which a look may come early, so that one query serves many who wait.
EARLY_SHARE = 0.5


class LoopPace(Pace):
    """A coroutine that waits: what for, and when it looks next."""

    def __init__(self, question: Question, answer: asyncio.Future) -> None:
        super().__init__()
        self.question = question
        self.mark = mark_of(question.name)
        self.answer = answer
        self.due = self.early = 0.0  # when, by the clock of the loop; and how much before
        self.plan(MAX_RESULT_POLL_SECONDS)

    def plan(self, longest: float) -> None:
        """Plan the next look."""
        pause = self.next_pause(longest)
        self.due = asyncio.get_running_loop().time() + pause
        self.early = pause * EARLY_SHARE


class LoopWaits:
    """The coroutines of an event loop that wait for results."""

    #: An entry goes with the last who waits, or with the loop.
    by_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, LoopWaits]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self.paces: set[LoopPace] = set()
        self.shared = SharedSubscription()
        self.watched: int | None = None  # the descriptor of the subscription, in the loop
        self.timer: asyncio.TimerHandle | None = None
        self.look_task: asyncio.Task | None = None  # while it looks
        self.opening: asyncio.Future | None = None  # while it subscribes

    async def wait(self, question: Question, seconds: float | None) -> Any:
        """Wait until it is found; None when the time is over. None as a time is for ever."""
        pace = LoopPace(question, asyncio.get_running_loop().create_future())
        self.paces.add(pace)
        self.arm(pace.due)
        try:
            return await asyncio.wait_for(pace.answer, seconds)
        except asyncio.TimeoutError:
            return None
        finally:
            self.paces.discard(pace)
            if not self.paces:
                self.close()

    def arm(self, due: float) -> None:
        """Look at a time, or before."""
        if self.look_task or (self.timer and self.timer.when() <= due):
            return
        self.disarm()
        self.timer = asyncio.get_running_loop().call_at(due, self.begin_look)

    def disarm(self) -> None:
        """Do not look, until a time is set again."""
        if self.timer:
            self.timer.cancel()
        self.timer = None

    def begin_look(self) -> None:
        """Begin to look for what is due, and subscribe if somebody has waited for a while.

        The context is empty: what one request has set must not be there for those of others.
        """
        self.timer = None
        loop = asyncio.get_running_loop()
        self.look_task = Context().run(loop.create_task, self.look())
        has_waited = any(pace.has_waited for pace in self.paces)
        if has_waited and self.shared.is_due and not self.opening:
            self.opening = loop.run_in_executor(None, open_apart, self.shared)
            self.opening.add_done_callback(self.note_opened)

    async def look(self) -> None:
        """Look for what is due, in one short call of a thread, and plan the next look."""
        now = asyncio.get_running_loop().time()
        due = [pace for pace in self.paces if pace.due - pace.early <= now]
        questions = [pace.question for pace in due]
        try:
            try:
                answers = await sync_to_async(find_by_any_connection)(questions)
            except Exception as error:  # of the thread
                answers = [error] * len(due)
            for pace, found in zip(due, answers, strict=True):
                self.note_answer(pace, found)
        finally:
            self.look_task = None
            if self.paces:
                self.arm(min(pace.due for pace in self.paces))

    def note_answer(self, pace: LoopPace, found: Any) -> None:
        """Give a coroutine what was found for it, or plan its next look."""
        if pace.answer.done():
            return
        if found is None:
            pace.plan(self.shared.look_interval)
        elif isinstance(found, Exception):
            pace.answer.set_exception(found)
        else:
            self.shared.note_found(pace.pause_seconds)
            pace.answer.set_result(found)

    def note_opened(self, opening: asyncio.Future) -> None:
        """Watch the subscription, if there is one by now."""
        self.opening = None
        opening.exception()  # retrieved, so that it is not logged: those who wait poll
        subscription = self.shared.subscription
        if subscription and self.watched is None:
            with suppress(NotImplementedError):  # a loop that watches no descriptors
                descriptor = subscription.fileno()
                asyncio.get_running_loop().add_reader(descriptor, self.read)
                self.watched = descriptor
            if self.watched is None:
                self.shared.drop()

    def read(self) -> None:
        """Read what was told; who is meant looks at once."""
        marks = self.shared.read()
        if not self.shared.subscription:
            self.unwatch()
        now, due = time.monotonic(), asyncio.get_running_loop().time()
        for pace in self.paces:
            if (pace.mark in marks or ANY_MARK in marks) and pace.note_told(now):
                pace.due = due
                self.arm(due)

    def unwatch(self) -> None:
        """Have the loop forget the descriptor of the subscription."""
        if self.watched is not None:
            asyncio.get_running_loop().remove_reader(self.watched)
        self.watched = None

    def close(self) -> None:
        """End what runs for those who waited: the last one has left."""
        loop = asyncio.get_running_loop()
        self.disarm()
        self.unwatch()
        self.shared.close()
        if self.by_loop.get(loop) is self:
            del self.by_loop[loop]


async def wait_in_loop(question: Question, seconds: float | None) -> Any:
    """Wait in the running loop until something is found; None when the time is over."""
    waits = LoopWaits.by_loop.setdefault(asyncio.get_running_loop(), LoopWaits())
    return await waits.wait(question, seconds)


def open_apart(shared: SharedSubscription) -> None:
    """Subscribe, in a thread of the loop's, which keeps no connection of Django's."""
    try:
        shared.open()
    finally:
        connections.close_all()
