"""The scheduler: enqueues a task whenever a schedule is due."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django_q import recurrence
from django_q.brokers import get_broker, leased
from django_q.brokers.base import Broker
from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.scheduler_wakeup import OFTEN, Waker
from django_q.conf import logger
from django_q.descriptor_wait import readable
from django_q.exceptions import brief, endure
from django_q.models import Schedule
from django_q.models.schedule_fields.due_times import aware
from django_q.processes.logs.repeated_errors import Complaint
from django_q.processes.supervision.process_start import say_ready
from django_q.scheduling.due_schedules import Agenda, is_due
from django_q.scheduling.wakeup import waker_for
from django_q.servers import connections
from django_q.servers.database_errors import is_conflict

#: Schedules that are read at a time.
BATCH = 100
#: Seconds after which to look again at a due time that another scheduler has in hand.
GLANCE = 1.0
#: Seconds for which a schedule that fails is left alone: at first, and at most.
PUT_OFF = (1.0, 60.0)
#: Seconds to wait after the database or the broker failed: at first, and at most.
BACK_OFF = (0.1, 5.0)
#: Seconds that a wait lasts at least, so that no fault of a clock makes it spin.
SHORTEST = 0.005


def scheduler(broker: Broker | None = None) -> None:
    """Enqueue what is due now, once. With ``sync`` in force its tasks run at once, here."""
    Watch(Agenda(leased(broker or shared_broker()), inline=True)).enqueue_due()


def scheduler_of_cluster(event: Any, broker: Broker | None = None) -> None:
    """Enqueue what is due, when it is due, until ``event`` is set: the body of the process."""
    agenda = Agenda(leased(broker or get_broker()))
    waker = waker_for(agenda.broker, agenda.alias)
    watch = Watch(agenda, event.is_set)
    say_ready("scheduling")
    pause, trouble = BACK_OFF[0], Complaint("schedules are read again")
    while not event.is_set():
        try:
            waker.listen()
            seconds = min(watch.enqueue_due(), waker.patience)
            if seconds > OFTEN:  # to open a connection takes longer than to look
                connections.close_old()
            if trouble and not watch.left_alone:
                trouble.end()
            pause = BACK_OFF[0]
        except BaseException as error:
            endure(error)
            report(trouble, error, pause, agenda)
            agenda.close()
            waker.close()
            connections.close_all()
            seconds, pause = pause, min(pause * 2, BACK_OFF[1])
        if rest(event, waker, max(seconds, SHORTEST)):
            watch.left_alone.clear()  # they may have been put right
    waker.close()
    agenda.close()


def report(trouble: Complaint, error: BaseException, pause: float, agenda: Agenda) -> None:
    """Log what stopped a look at the schedules, with a traceback where it is no outage."""
    if is_conflict(error):  # another was faster
        return
    if refusal := agenda.broker.refusal(error):
        trouble.say(refusal, "can not enqueue what is due until that is mended: %s", refusal)
        return
    trouble.say(
        type(error).__name__,
        "can not enqueue what is due, trying again in %.1f seconds: %s",
        pause,
        brief(error),
        exc_info=None if agenda.is_away(error) else error,
    )


def rest(event: Any, waker: Waker, seconds: float) -> bool:
    """Wait for a time, for the event, or for a change of the schedules; whether it was a change."""
    sources = waker.sources()
    ready = readable([event, *sources], seconds)
    if any(source in ready for source in sources):
        waker.drain()
        return True
    return False


class Watch:
    """A scheduler at work."""

    def __init__(self, agenda: Agenda, is_over: Callable[[], bool] = lambda: False) -> None:
        self.agenda = agenda
        self.is_over = is_over
        self.left_alone: dict[int, float] = {}  # ids, and until when; monotonic
        self.delays: dict[int, float] = {}  # seconds for which those that fail are left alone

    def enqueue_due(self) -> float:
        """Enqueue all that is due, and tell in how many seconds there may be more to do."""
        while not self.is_over():
            schedules = self.look()
            # By the clock of the database, which all hosts share.
            now = aware(schedules[0].read_at) if schedules else recurrence.FIRST
            due = [schedule for schedule in schedules if is_due(schedule, now)]
            if not due:
                return self.seconds_until(schedules[:1], now)
            for schedule in due:
                if not self.is_over():
                    self.attend(schedule, now)
        return 0.0

    def look(self) -> list[Schedule]:
        """Read the schedules that are due first."""
        now = time.monotonic()
        self.left_alone = {pk: until for pk, until in self.left_alone.items() if until > now}
        if self.agenda.is_empty():
            return []
        return self.agenda.first(BATCH, self.left_alone)

    def attend(self, schedule: Schedule, now: datetime) -> None:
        """See to a schedule that is due; one that fails keeps no other from running."""
        try:
            ids = self.agenda.serve(schedule, now)
        except BaseException as error:
            endure(error)
            if self.agenda.is_away(error):
                # It can be about this task alone: MySQL hangs up at one that is too large for it.
                self.leave_alone(schedule, BACK_OFF[1])
                raise
            delay = self.leave_alone(schedule, PUT_OFF[1])
            logger.exception(
                "schedule %s [%s] is tried again in %.0f seconds", schedule.pk, schedule.func, delay
            )
            self.agenda.note(schedule, error)
            return
        if ids is None:
            self.left_alone[schedule.pk] = time.monotonic() + GLANCE
            return
        self.delays.pop(schedule.pk, None)
        process = multiprocessing.current_process().name
        for _ in ids:
            logger.info(
                "%s created a task from schedule %s [%s]", process, schedule.pk, schedule.func
            )

    def leave_alone(self, schedule: Schedule, most: float) -> float:
        """Let others go first for a while, longer each time; in seconds, and at most ``most``."""
        delay = min(self.delays.get(schedule.pk, PUT_OFF[0]), most)
        self.delays[schedule.pk] = delay * 2
        self.left_alone[schedule.pk] = time.monotonic() + delay
        return delay

    def seconds_until(self, schedules: list[Schedule], now: datetime) -> float:
        """Tell in how many seconds a schedule is due, or one that was left alone is looked at."""
        ends = [until - time.monotonic() for until in self.left_alone.values()]
        times = [(aware(schedule.next_run) - now).total_seconds() for schedule in schedules]
        return min([*ends, *times], default=math.inf)
