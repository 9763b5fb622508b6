"""A queue that is paused for a moment while something breaks; and what has to hold of that."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.faults.invariants import Trace

if TYPE_CHECKING:
    from tests.faults.driver import Run

#: Share of the runs in which the queue is paused, and of the calls during which it is.
PAUSED_SHARE, PAUSED_CALLS = 0.4, 0.3
#: What a cluster may hold where leases have ended early, and nobody can count it: two workers, what
#: is queued for them, and what one take has taken.
IN_HAND = 10
#: Seconds in which a pause is ended after the fault.
RESUME_TIMEOUT = 30


class Pauses:
    """Pauses the queue once while tasks are enqueued, in some runs."""

    def __init__(self, choose: random.Random, run: Run) -> None:
        self.run = run
        self.begins = choose.uniform(0.5, 0.6) if choose.random() < PAUSED_SHARE else None
        self.stands: tuple[float, float] | None = None  # from when until when, monotonic
        self.in_hand = 0  # what clusters held when it stood: that goes on
        self.may_stand = False  # whether a pause was asked for, and not taken back

    def at(self, share: float) -> None:
        """Pause or resume, when this share of the calls is made. What raises was not heard."""
        if self.begins is None or share < self.begins:
            return
        if share < self.begins + PAUSED_CALLS:
            self.pause()
        else:
            self.resume()

    def pause(self) -> None:
        """Ask for a pause, once; note when it stands."""
        if self.may_stand or self.stands:
            return
        self.may_stand = True
        with contextlib.suppress(Exception):
            self.run.producing.pause()
            self.in_hand = self.run.broker.lock_size()
            self.stands = time.monotonic(), float("inf")

    def resume(self) -> bool:
        """Take the pause back. Returns whether none stands."""
        if self.may_stand:
            if self.stands:
                self.stands = self.stands[0], min(self.stands[1], time.monotonic())
            with contextlib.suppress(Exception):
                self.run.producing.resume()
                self.may_stand = False
        return not self.may_stand

    def end(self) -> None:
        """Resume for good, once what was broken is whole again."""
        self.begins = None
        assert self.run.quietly(self.resume, RESUME_TIMEOUT), "The pause could not be ended."

    def violations(self, trace: Trace) -> Iterator[str]:
        """Say what does not hold: more began in the pause than clusters had in hand."""
        if not self.stands:
            return
        uncounted = IN_HAND * len(self.run.clusters) if self.run.has_lapsed else 0
        in_hand = max(self.in_hand, uncounted)
        since, until = self.stands
        began = [run for runs in trace.runs.values() for run in runs if since < run.began < until]
        if len(began) > in_hand:
            yield f"begun though the queue was paused: {len(began)}, {in_hand} were in hand"
