"""The runs of one schedule that are due: which they are, and the packages and payloads of each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from django.db import router

from django_q.brokers.base import Broker
from django_q.calls.composition import dispatch, options_of
from django_q.calls.enqueueing import (
    Outcome,
    TermedTask,
    check_served,
    enqueue_once,
    served_options,
    with_terms,
)
from django_q.calls.payloads import (
    add_default_options,
    first_wanted_options,
    later,
    need_terms,
    signed_payload_in_cluster,
)
from django_q.conf import Conf, logger
from django_q.exceptions import DjangoQError, EnqueueRefused, PackageError
from django_q.models import Schedule
from django_q.recurrence import CronUnavailable, Plan
from django_q.scheduling.readable_schedules import SCHEDULE_ERRORS
from django_q.text.error_text import short_error_text
from django_q.wire.options import normalize_option
from django_q.wire.package import TaskPackage, derived_id, new_package

UTC = timezone.utc
#: Missed runs of one schedule that are enqueued together at most.
MAX_MISSED_RUNS = 100


class InvalidSchedule(DjangoQError):
    """Raised when a schedule is invalid, so that it has to be paused."""


class ScheduleNotReady(DjangoQError):
    """Raised when the task of a schedule can not be made now, for a reason outside of it."""


@dataclass
class DueRuns:
    """The runs of a schedule that are due, and the packages of their tasks."""

    schedule: Schedule
    #: The due times to run now, and the one that follows them.
    plan: Plan
    #: One for each due time to run now; empty where the run is skipped.
    packages: list[TaskPackage] = field(default_factory=list)
    #: The ids of tasks that were enqueued; a run that met a task of its unique key has none.
    enqueued: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The ids that the tasks have, unless they replace others."""
        return [package["id"] for package in self.packages]

    def note(self, outcome: Outcome) -> None:
        """Note what became of a run."""
        if outcome.makes_call:
            self.enqueued.append(outcome.task_id)
            return
        logger.info(
            "schedule %s [%s] enqueues no task, as task %s has its key",
            self.schedule.pk,
            self.schedule.func,
            outcome.task_id,
        )


def plan_due_runs(schedule: Schedule, now: datetime) -> DueRuns:
    """Find out which runs of a schedule are due, and make their packages.

    Raises ``InvalidSchedule``, and ``ScheduleNotReady`` where croniter is not installed.
    """
    limit = min(MAX_MISSED_RUNS, schedule.repeats) if schedule.repeats > 0 else MAX_MISSED_RUNS
    try:
        plan = schedule.plan(now, limit)
        if may_skip(schedule):
            plan = plan._replace(runs=plan.runs[-1:])
        due_runs = DueRuns(schedule, plan, [package_of_run(schedule, run) for run in plan.runs])
    except CronUnavailable as error:
        raise ScheduleNotReady(str(error)) from error
    except SCHEDULE_ERRORS as error:
        raise InvalidSchedule(short_error_text(error)) from error
    if len(plan.runs) == MAX_MISSED_RUNS and plan.next_run and plan.next_run <= now:
        logger.warning(
            "schedule %s [%s] has missed more than %s runs; the others follow",
            schedule.pk,
            schedule.func,
            MAX_MISSED_RUNS,
        )
    return due_runs


def package_of_run(schedule: Schedule, run: datetime) -> TaskPackage:
    """Make the package of one run. Raises ValueError if the row's arguments can not be read."""
    args, kwargs = schedule.call(run.astimezone(UTC))
    options, kwargs = options_of(kwargs)
    options["cluster"] = options.get("cluster") or Conf.CLUSTER_NAME
    # The id of the last task is part of it: a due time that is set again gets another task.
    due = run.astimezone(UTC).isoformat()
    task_id = derived_id("schedule", str(schedule.pk), due, schedule.task or "")
    options = with_jitter(options, schedule.jitter)
    return with_schedule_key(new_package(schedule.func, args, kwargs, options, task_id), schedule)


def with_jitter(options: dict[str, Any], jitter: int | None) -> dict[str, Any]:
    """Put a run off by a random part of the seconds of ``jitter``; its end is put off as well."""
    if not jitter:
        return options
    delay = round(random.uniform(0, jitter), 3)
    moved = {**options, "run_after": later(options.get("run_after"), delay)}
    if isinstance(options.get("expires"), (int, float)):
        moved["expires"] = later(options["expires"], delay)
    return moved


def with_schedule_key(package: TaskPackage, schedule: Schedule) -> TaskPackage:
    """Add the key of the schedule, whose row gets the end of the task where a run waits for it."""
    if may_skip(schedule):
        package["schedule"] = schedule.pk
    return package


def tasks_of(packages: Sequence[TaskPackage], broker: Broker) -> list[str] | list[TermedTask]:
    """Make the payloads of packages, or tasks with terms if their options need any.

    Raises ``InvalidSchedule`` for what can not be serialized or is not served by the broker, and
    ``ScheduleNotReady`` where a receiver of ``pre_enqueue`` fails.
    """
    try:
        add_default_options(packages, served_options(broker))
        payloads = [signed_payload_in_cluster(package) for package in packages]
        if options := first_wanted_options(packages):
            check_served(packages, broker)
            if need_terms(options):
                return with_terms(packages, payloads)
        return payloads
    except PackageError as error:
        raise InvalidSchedule(str(error)) from error
    except EnqueueRefused as error:
        raise ScheduleNotReady(str(error)) from error


def enqueue_run(task: str | TermedTask, task_id: str, broker: Broker) -> Outcome:
    """Enqueue the task of one run unless its id was enqueued before."""
    if isinstance(task, TermedTask):
        return enqueue_once(task, broker)
    if not broker.enqueue_once(task, task_id):
        logger.debug("task %s of a schedule was enqueued before", task_id)
    return Outcome(task_id, True)


def runs_left(schedule: Schedule, runs: int) -> int:
    """Count the runs that are left after this number of runs; below zero without limit."""
    return max(0, schedule.repeats - runs) if schedule.repeats > 0 else schedule.repeats


def may_skip(schedule: Schedule) -> bool:
    """Return True if a run is skipped while the one before has not ended; never for type Once."""
    return schedule.overlap == Schedule.SKIP and schedule.schedule_type != Schedule.ONCE


def run_now(schedule: Schedule, broker: Broker | None = None) -> str:
    """Enqueue the task of a schedule at once and return its id; due times stay as they are.

    Inside a transaction it is enqueued when that commits. Raises ValueError where the arguments
    can not be read.
    """
    args, kwargs = schedule.call(schedule.now)
    options, kwargs = options_of(kwargs)
    package = with_schedule_key(new_package(schedule.func, args, kwargs, options), schedule)
    options = {**options, "broker": normalize_option("broker", broker)}
    (task_id,) = dispatch([package], options, is_own_call=False)
    rows = Schedule.objects.using(router.db_for_write(Schedule))
    rows.filter(pk=schedule.pk).update(task=task_id)
    return task_id
