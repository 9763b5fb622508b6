"""A place in the cluster, and the process that fills it."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from django_q.completion.dead_letters import Abandoned
from django_q.conf import logger
from django_q.descriptor_wait import readable
from django_q.foreign_code.optional_packages import prometheus_multiprocess
from django_q.processes.shared_state.foreign_call_record import Doorway
from django_q.processes.shared_state.liveness import Pulse, Silence, limit
from django_q.processes.shared_state.slot import Slot, State
from django_q.processes.supervision.process_start import death_of

#: A process that ends sooner has failed to start: the next one waits before it does.
SHORT_LIFE = 5.0  #: seconds
#: Seconds before a process that fails to start is started again: at first, and at most.
BACK_OFF = (0.5, 30.0)
#: Seconds for which the kernel may take to end a process that was killed.
LAST_BREATH = 1.0
#: Seconds for which a fork server may take to pass on an exit code.
LAST_WORD = 0.2


@dataclass
class Child:
    """What the sentinel knows of one of its processes."""

    role: str
    slot: Slot | None = None  # of a worker
    number: int | None = None  # of a worker, from 1
    doorway: Doorway = field(default_factory=Doorway)  # in whose code its process is
    process: Any = None
    death: int = -1  # descriptor that is readable when the process has ended
    is_running: bool = False
    born: float = 0.0  # monotonic
    due: float = 0.0  # monotonic; when the next process may start, once this one has ended
    failures: int = 0  # short lives in a row
    timed_out: bool = False  # it was killed for its task's time limit
    retired: bool = False  # it shall end, and nobody takes its place
    stopped: bool = False  # it was killed because the cluster had to stop
    frozen: float = 0.0  # seconds for which it had stood still when it was killed for that
    pulse: Pulse | None = None  # of a process that has no slot

    def __post_init__(self) -> None:
        self.silence = Silence(self.pulse) if self.pulse else None

    @property
    def name(self) -> str:
        """The name of its process."""
        return f"{self.role}-{self.number}" if self.number else self.role

    def begin(self, process: Any) -> None:
        """Note the process that fills this place from now on."""
        self.process, self.born = process, time.monotonic()
        try:
            self.death = death_of(process)
        except OSError:
            process.kill()  # nobody would hear of its end
            process.join()
            raise
        self.is_running, self.timed_out, self.frozen = True, False, 0.0

    def has_ended(self) -> bool:
        """Whether the process has ended.

        The kernel says so also where somebody else has taken its exit code. One whose fork server
        was killed passes for dead, and would go on beside its successor.
        """
        has_ended = readable([self.death], 0)
        if self.process.is_alive():
            if not has_ended:
                return False
            self.process.join(LAST_WORD)
        if hasattr(signal, "pidfd_send_signal"):
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self.death, signal.SIGKILL)
                readable([self.death], LAST_BREATH)
        return True

    def fail_to_begin(self, error: Exception) -> None:
        """Note that no process could be started, and when to try again."""
        self.put_off(self.failures + 1)
        logger.critical(
            "%s can not be started, trying again in %.1f seconds: %r",
            self.name,
            self.delay(),
            error,
        )

    def end(self) -> None:
        """Note that the process has ended, and when the next may start."""
        os.close(self.death)
        self.put_off(self.failures + 1 if self.has_failed else 0)
        self.is_running = False
        if self.slot:
            self.slot.reset()
        if self.pulse:
            self.pulse.stop()
        if prometheus_multiprocess and self.number:
            with contextlib.suppress(OSError):  # of its files another may have taken care
                prometheus_multiprocess.mark_process_dead(self.process.pid)

    def put_off(self, failures: int) -> None:
        """Note when the next process may start, after so many that failed to."""
        self.failures = failures
        self.due = time.monotonic() + self.delay()

    def delay(self) -> float:
        """Seconds to wait before the next start: none after one failure, which may be bad luck."""
        return (
            min(BACK_OFF[0] * 2 ** (self.failures - 2), BACK_OFF[1]) if self.failures > 1 else 0.0
        )

    @property
    def state(self) -> State | None:
        """What a worker was up to."""
        return self.slot.state if self.slot else None

    @property
    def is_explained(self) -> bool:
        """Whether the process ended because of a task, or because it had done its share."""
        return self.state in (State.RECYCLED, State.TIMED_OUT, State.BUSY)

    @property
    def ran_out_of_time(self) -> bool:
        """Whether the process ended for its task's time limit."""
        return self.timed_out or self.state is State.TIMED_OUT

    def cause(self) -> str:
        """Say how the process ended, and in whose code."""
        if self.frozen:
            return f"standing still for {self.frozen:.1f} seconds{self.where()}"
        code = self.process.exitcode
        where = self.where()
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return f"death by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}{where}"
        return "its end" if code is None else f"its exit with code {code}{where}"

    def where(self) -> str:
        """Say in whose code the process is."""
        what = self.doorway.said()
        return f" in {what}" if what else ""

    def report(self, cause: str, is_replaced: bool = True) -> None:
        """Log that the process ended unasked."""
        if not is_replaced:
            logger.warning("%s ended at the stop after %s", self.name, cause)
            return
        level = logging.WARNING if cause == "timeout" else logging.CRITICAL
        wait = self.delay()
        outlook = f"; it fails to start, the next one waits {wait} seconds" if wait else ""
        logger.log(level, "reincarnated %s after %s%s", self.name, cause, outlook)

    @property
    def has_failed(self) -> bool:
        """Whether the process did not get going: it ended soon, and not because of a task."""
        return time.monotonic() - self.born < SHORT_LIFE and not self.is_explained

    def abandoned(self) -> Abandoned | None:
        """Tell what a worker had in hand; None where that was nothing."""
        if self.slot is None or self.slot.state is not State.BUSY:
            return None
        hand = self.slot.read()
        if not hand.batch:
            return None
        running = hand.running if hand.since else None
        if self.timed_out:
            what = "Task" if hand.is_read else "Reading the package"
            cause = f"{what} exceeded its time limit and its worker was killed"
        else:
            deed = "the task ran" if hand.is_read else "it read the package"
            cause = f"Worker ended while {deed}: {self.cause()}"
        return Abandoned(
            cause,
            running=running,
            unfinished=[each for each in hand.batch if each != running],
            timed_out=self.timed_out,
            stopped=self.stopped,
            unread=not hand.is_read,
            returned=hand.has_returned,
            inside=self.doorway.said(),
        )

    def end_frozen(self, now: float, step: float) -> None:
        """Kill a process that has shown no sign of life for too long."""
        if self.silence and self.is_running and not self.frozen:
            seconds = self.silence.look(now, step)
            if seconds > limit():
                self.frozen = seconds
                self.process.kill()

    def overdue_at(self, grace: float) -> float:
        """Tell when a worker has ignored the limit of its task, or of its end; monotonic."""
        deadline = self.slot.deadline if self.slot and self.is_running else 0.0
        return deadline + grace if deadline else math.inf

    def current(self, now: float) -> tuple[int, str, str, float] | None:
        """Describe the task that runs: pid, its name, its function, seconds it has run."""
        if self.slot is None or not (text := self.slot.description):
            return None
        name, _, func = text.partition("\t")
        return self.process.pid, name, func, now - self.slot.read().since
