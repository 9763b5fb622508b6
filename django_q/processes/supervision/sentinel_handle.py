"""The sentinel as the main process sees it: it lives, stands still, or has ended."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django_q.brokers.base import Broker
from django_q.conf import Conf, logger
from django_q.descriptor_wait import readable
from django_q.processes.shared_state.liveness import Silence
from django_q.processes.shared_state.process_table import Board, Member
from django_q.processes.supervision import process_start
from django_q.queues import Flag

#: Seconds between two looks at the sentinel, and while it stops.
LOOK, LOOK_AT_STOP = 5.0, 0.2
#: Seconds in which a sentinel shows no sign of life before it is killed. It waits for a server for
#: five at a time, and in C code, where nothing ends that, for the address of one.
SILENCE, SILENCE_AT_STOP = 40.0, 15.0
#: Seconds past ``stop_timeout`` that a sentinel has for the rest of a stop, and that the processes
#: have to end which it leaves behind.
STOP_GRACE, MEMBERS_GRACE = 45.0, 5.0
#: Seconds for which the kernel may take to end a process that was killed.
LAST_BREATH = 1.0
#: Seconds between two looks where something can not be waited for.
GLANCE = 0.05


class SentinelProcess:
    """The process of a sentinel, and what it leaves behind."""

    def __init__(self) -> None:
        self.process: Any = None
        self.death = -1  # descriptor that is readable when the process has ended
        self.born = 0.0  # monotonic
        self.board = Board(0)
        self.silence = Silence(self.board.pulse)
        self.members: list[Member] = []  # what it had started when it was killed
        self.stop_by = math.inf  # monotonic; when tasks have to be over
        self.aborted = False  # whether they have to be over at once

    def spawn(
        self, events: tuple, cluster_id: UUID, timeout: float | None, broker: Broker, leash: Flag
    ) -> None:
        """Start the process, and do not wait for it."""
        broker.close()
        self.board = Board(Conf.WORKERS + len(process_start.SINGLE))
        self.silence, self.members = Silence(self.board.pulse), []
        self.process = process_start.spawn(
            "django_q.processes.sentinel_body.sentinel",
            (*events, cluster_id, timeout, self.board),
            process_start.SENTINEL,
            leash,
            late=(broker,),
        )
        self.born = time.monotonic()
        try:
            self.death = process_start.death_of(self.process)
        except OSError:
            self.process.kill()  # nobody would hear of its end
            self.process.join()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether the process lives; the kernel says so, whoever has taken its exit code."""
        return self.death >= 0 and not readable([self.death], 0)

    def note_end(self) -> None:
        """Note that the process has ended."""
        if self.process.is_alive():  # not known yet, or never: somebody has taken its exit code
            self.process.join(LAST_BREATH)
        if self.death >= 0:
            os.close(self.death)
            self.death = -1

    def note_stop(self) -> None:
        """Note that its cluster has to stop from now on."""
        if self.stop_by == math.inf:
            self.stop_by = time.monotonic() + Conf.STOP_TIMEOUT

    def note_abort(self) -> None:
        """Note that tasks have to be over at once."""
        self.stop_by, self.aborted = time.monotonic(), True

    def end_frozen(self) -> None:
        """Kill the process where it stands still, or has not stopped its cluster in time."""
        now = time.monotonic()
        seconds = self.silence.look(now, 2 * LOOK)
        if seconds > (SILENCE if self.stop_by == math.inf else SILENCE_AT_STOP):
            logger.critical("the sentinel has stood still for %.0f s and is killed", seconds)
        elif now > self.stop_by + STOP_GRACE:
            logger.critical("the sentinel did not end in time and is killed")
        else:
            return
        self.members = self.board.members()  # as long as nobody else can get their numbers
        self.process.kill()
        readable([self.death], LAST_BREATH)

    def end_members(self, hear: Callable[[], None]) -> None:
        """Have the processes that it left behind end in time, as it would have."""
        if not self.members and self.process.exitcode != 0:
            self.members = self.board.members()
        at_least = time.monotonic() + MEMBERS_GRACE
        while left := [member for member in self.members if not member.has_ended()]:
            hear()
            if time.monotonic() > (self.stop_by if self.aborted else max(self.stop_by, at_least)):
                logger.warning("%s processes did not end in time and are killed", len(left))
                for member in left:
                    member.kill()
                break
            time.sleep(GLANCE)
