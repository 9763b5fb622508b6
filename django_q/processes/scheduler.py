"""The scheduler: enqueues a task whenever a schedule is due."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django_q import recurrence
from django_q.brokers import adapt_broker, get_broker
from django_q.brokers.base import Broker
from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.scheduler_wakeup import UNNOTIFIED_CHECK_INTERVAL, SchedulerWakeup
from django_q.calls.producer import settle_duplicate
from django_q.conf import Conf, logger
from django_q.descriptor_wait import wait_until_readable
from django_q.exceptions import contain_error
from django_q.models import Schedule
from django_q.models.schedule_fields.due_times import aware_utc
from django_q.outbox.relay import Relay
from django_q.processes.logs.repeated_errors import ThrottledLog
from django_q.processes.supervision.process_start import log_ready
from django_q.results.pruning import delete_outlived
from django_q.scheduling.declared.occasions import write_or_log
from django_q.scheduling.due_schedules import DueSchedules, is_due
from django_q.scheduling.expired_keys import KeyCleanup
from django_q.scheduling.wakeup import scheduler_wakeup_for
from django_q.servers import connections
from django_q.servers.advice import with_advice
from django_q.servers.database_errors import is_conflict
from django_q.task_logs.rows import delete_old_logs
from django_q.text.error_text import error_summary

#: Schedules that are read in one query.
SCHEDULE_BATCH_SIZE = 100
#: Seconds after which to check a schedule again that another scheduler has claimed.
CLAIMED_RETRY_SECONDS = 1.0
#: Seconds for which a schedule that has failed is skipped: at first, and at most.
FAILED_SCHEDULE_BACKOFF_SECONDS = (1.0, 60.0)
#: Seconds to wait after the database or the broker failed: at first, and at most.
SCHEDULER_BACKOFF_SECONDS = (0.1, 5.0)
#: The least seconds of a wait, so that no error of a clock causes a busy loop.
MIN_WAIT_SECONDS = 0.005


def scheduler(broker: Broker | None = None) -> None:
    """Enqueue the tasks that are due now, once. With ``sync`` they run at once, in this process."""
    SchedulerLoop(DueSchedules(adapt_broker(broker or shared_broker()), inline=True)).enqueue_due()


def delete_old_rows(at_most: int) -> int:
    """Delete results and logs of tasks that nobody asks for any more. Returns how many rows."""
    return max(delete_outlived(at_most), delete_old_logs(at_most))


def scheduler_of_cluster(event: Any, broker: Broker | None = None) -> None:
    """Enqueue tasks when they are due, until ``event`` is set: the body of the process.

    It relays the tasks of the outbox as well, where there is one.
    """
    due_schedules = DueSchedules(adapt_broker(broker or get_broker()))
    wakeup = scheduler_wakeup_for(due_schedules.broker, due_schedules.alias)
    loop = SchedulerLoop(due_schedules, event.is_set)
    key_cleanup = KeyCleanup(due_schedules.broker, delete_old_rows)
    relay = Relay(settle_duplicate) if Conf.RELAYS_OUTBOX else None
    log_ready("scheduling")
    has_written_declared = False
    pause, failure_log = SCHEDULER_BACKOFF_SECONDS[0], ThrottledLog("schedules are read again")
    while not event.is_set():
        try:
            wakeup.listen()
            if Conf.SCHEDULER and not has_written_declared:
                write_or_log(due_schedules.is_away)
                has_written_declared = True
            # First: it goes on while schedules fail.
            seconds = relay.run_if_due() if relay else math.inf
            if Conf.SCHEDULER:
                seconds = min(seconds, loop.enqueue_due())
            seconds = min(seconds, wakeup.check_interval, key_cleanup.run_if_due())
            # Not for a short wait: to open a connection again costs more than to keep it.
            if seconds > UNNOTIFIED_CHECK_INTERVAL:
                connections.close_old()
            if failure_log and not loop.skipped_until:
                failure_log.log_recovery()
            pause = SCHEDULER_BACKOFF_SECONDS[0]
        except BaseException as error:
            contain_error(error)
            log_failure(failure_log, error, pause, due_schedules)
            due_schedules.close()
            wakeup.close()
            connections.close_all()
            seconds, pause = pause, min(pause * 2, SCHEDULER_BACKOFF_SECONDS[1])
        if wait_for_change(event, wakeup, max(seconds, MIN_WAIT_SECONDS)):
            loop.skipped_until.clear()  # failing schedules may have been corrected
    wakeup.close()
    due_schedules.close()


def log_failure(
    failure_log: ThrottledLog, error: BaseException, pause: float, due_schedules: DueSchedules
) -> None:
    """Log why the schedules could not be processed, with a traceback unless it is an outage."""
    if is_conflict(error):  # another scheduler was faster
        return
    if refusal := due_schedules.broker.refusal(error):
        failure_log.log(refusal, "can not enqueue what is due until that is mended: %s", refusal)
        return
    failure_log.log(
        type(error).__name__,
        "can not enqueue what is due, trying again in %.1f seconds: %s",
        pause,
        with_advice(error_summary(error), error),
        exc_info=None if due_schedules.is_away(error) else error,
    )


def wait_for_change(event: Any, wakeup: SchedulerWakeup, seconds: float) -> bool:
    """Wait for the event, or until schedules change; return True if they changed."""
    sources = wakeup.sources()
    ready = wait_until_readable([event, *sources], seconds)
    if any(source in ready for source in sources):
        wakeup.drain()
        return True
    return False


class SchedulerLoop:
    """The state of a scheduler: which schedules it skips, and until when."""

    def __init__(
        self, due_schedules: DueSchedules, is_over: Callable[[], bool] = lambda: False
    ) -> None:
        self.due_schedules = due_schedules
        self.is_over = is_over
        self.skipped_until: dict[int, float] = {}  # monotonic times by id
        self.retry_delays: dict[int, float] = {}  # seconds by id; of the next failure

    def enqueue_due(self) -> float:
        """Enqueue all that is due, and return in how many seconds the next schedule may be."""
        while not self.is_over():
            schedules = self.read_next()
            # By the clock of the database, which all hosts share.
            now = aware_utc(schedules[0].read_at) if schedules else recurrence.FIRST_MOMENT
            due = [schedule for schedule in schedules if is_due(schedule, now)]
            if not due:
                return self.seconds_until(schedules[:1], now)
            for schedule in due:
                if not self.is_over():
                    self.enqueue_schedule(schedule, now)
        return 0.0

    def read_next(self) -> list[Schedule]:
        """Read the schedules that are due first, without those that are skipped."""
        now = time.monotonic()
        self.skipped_until = {pk: until for pk, until in self.skipped_until.items() if until > now}
        if self.due_schedules.is_empty():
            return []
        return self.due_schedules.read_earliest(SCHEDULE_BATCH_SIZE, self.skipped_until)

    def enqueue_schedule(self, schedule: Schedule, now: datetime) -> None:
        """Enqueue the due runs of a schedule; if it fails, skip it, and let others go on."""
        try:
            ids = self.due_schedules.enqueue_due_runs(schedule, now)
        except BaseException as error:
            contain_error(error)
            if self.due_schedules.is_away(error):
                # The task may be the cause: MySQL closes the connection at one that is too large.
                self.skip_for_now(schedule, SCHEDULER_BACKOFF_SECONDS[1])
                raise
            delay = self.skip_for_now(schedule, FAILED_SCHEDULE_BACKOFF_SECONDS[1])
            logger.exception(
                "schedule %s [%s] is tried again in %.0f seconds", schedule.pk, schedule.func, delay
            )
            self.due_schedules.save_error(schedule, error)
            return
        if ids is None:
            self.skipped_until[schedule.pk] = time.monotonic() + CLAIMED_RETRY_SECONDS
            return
        self.retry_delays.pop(schedule.pk, None)
        process = multiprocessing.current_process().name
        for _ in ids:
            logger.info(
                "%s created a task from schedule %s [%s]", process, schedule.pk, schedule.func
            )

    def skip_for_now(self, schedule: Schedule, max_delay: float) -> float:
        """Skip a schedule, longer each time; return the seconds, at most ``max_delay``."""
        delay = min(
            self.retry_delays.get(schedule.pk, FAILED_SCHEDULE_BACKOFF_SECONDS[0]), max_delay
        )
        self.retry_delays[schedule.pk] = delay * 2
        self.skipped_until[schedule.pk] = time.monotonic() + delay
        return delay

    def seconds_until(self, schedules: list[Schedule], now: datetime) -> float:
        """Return in how many seconds a schedule is due, or is no longer skipped."""
        ends = [until - time.monotonic() for until in self.skipped_until.values()]
        times = [(aware_utc(schedule.next_run) - now).total_seconds() for schedule in schedules]
        return min([*ends, *times], default=math.inf)
