"""Wait for results in threads: one subscription a process, read by one of those who wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache
from threading import Condition

from django_q.brokers.contract.result_channel import ANY_MARK, mark_of
from django_q.descriptor_wait import wait_until_readable
from django_q.results.waiting.polling import Found, Pace, wait_for
from django_q.results.waiting.shared_subscription import SharedSubscription


def wait_until_found(find: Callable[[], Found | None], wait: float, name: str) -> Found | None:
    """Wait as ``wait_for`` does, told of tasks that end by the id or name of a task, or a group.

    The looks are those of the caller's thread, by its connections.
    """
    with ThreadPace(name) as pace:
        return wait_for(find, wait, pace)


class ThreadPace(Pace):
    """The pauses of a thread, which end when it is told. Short waits need no subscription."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.mark = mark_of(name)
        self.waits: ThreadWaits | None = None  # from when it has waited for a while
        self.is_told = False

    def __enter__(self) -> ThreadPace:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.waits:
            self.waits.leave(self)

    def wait(self, left: float) -> None:
        """Wait until the next look, or until told."""
        if not self.has_waited and self.waits is None:
            super().wait(left)
            return
        if self.waits is None:
            self.waits = waits_of_process(os.getpid())
            self.waits.join(self)
        pause = self.next_pause(self.waits.shared.look_interval)
        if self.waits.wait(self, min(pause, left)) and not self.note_told(time.monotonic()):
            super().wait(left)  # told again and again, as of each change of a file

    def note_found(self) -> None:
        """Note whether it was told of what it has found."""
        if self.waits:
            self.waits.shared.note_found(self.pause_seconds)


class ThreadWaits:
    """The threads of a process that wait for results."""

    def __init__(self) -> None:
        self.condition = Condition()
        self.paces: set[ThreadPace] = set()
        self.shared = SharedSubscription()
        self.reader: ThreadPace | None = None  # who waits for the subscription; the others for it

    def join(self, pace: ThreadPace) -> None:
        """Add a thread that waits."""
        with self.condition:
            self.paces.add(pace)

    def leave(self, pace: ThreadPace) -> None:
        """Remove a thread that waits. The subscription ends with the last."""
        with self.condition:
            self.paces.discard(pace)
            self.stop_reading(pace)  # an exception may have ended its wait anywhere
            if not self.paces:
                self.shared.drop()

    def wait(self, pace: ThreadPace, seconds: float) -> bool:
        """Wait for a time, or until told. Returns whether it was told."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with self.condition:
                if pace.is_told:
                    break
                if self.reader:
                    self.condition.wait(left)
                    continue
                self.reader = pace
            self.read(pace, left)
        is_told, pace.is_told = pace.is_told, False
        return is_told

    def read(self, reader: ThreadPace, seconds: float) -> None:
        """Wait for what is told, and tell the other threads."""
        marks: set[str] = set()
        try:
            marks = self.receive(seconds)
        finally:
            with self.condition:
                for pace in self.paces if marks else ():
                    if pace.mark in marks or ANY_MARK in marks:
                        pace.is_told = True
                self.stop_reading(reader)

    def stop_reading(self, pace: ThreadPace) -> None:
        """Let another thread wait for the subscription, if this one has."""
        if self.reader is pace:
            self.reader = None
            self.condition.notify_all()

    def receive(self, seconds: float) -> set[str]:
        """Wait for what is told, by the one thread that does so, which opens the subscription."""
        if self.shared.is_due:
            self.shared.open()
        subscription = self.shared.subscription
        if wait_until_readable([subscription], seconds) and subscription:
            return self.shared.read()
        return set()


@lru_cache(maxsize=1)
def waits_of_process(pid: int) -> ThreadWaits:
    """Return the threads that wait in this process; one that was forked begins with none."""
    return ThreadWaits()
