"""Enqueue the task of a due schedule: once for each due time, even if a scheduler is killed.

Where the queue is in the database of the schedules, one transaction enqueues the task and advances
the schedule. Elsewhere these are steps, and another scheduler may read the same row between
any two of them:

1. The due time is claimed: ``claimed`` is set if the row is unchanged since it was read.
2. The task is enqueued. Its id is derived from the row, and a broker that can remember ids refuses
   one that it has enqueued before.
3. The row is advanced, and the broker may forget the id.

A scheduler that dies in between leaves a claim, which ends after ``CLAIM_SECONDS``. The next
scheduler starts over, with the same id for the same due time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import Error, connections, router, transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from django_q.brokers import adapt_broker, get_broker
from django_q.brokers.base import Broker
from django_q.brokers.orm.table import fetch_rows
from django_q.calls.enqueueing import TermedTask, enqueue
from django_q.calls.inline import run_inline
from django_q.calls.producer import queue_database
from django_q.conf import Conf, logger
from django_q.models import Schedule, Task
from django_q.models.schedule_fields.due_times import aware_utc, database_time
from django_q.models.task import HAS_ENDED
from django_q.scheduling.due_runs import (
    DueRuns,
    InvalidSchedule,
    enqueue_run,
    may_skip,
    plan_due_runs,
    runs_left,
    tasks_of,
)
from django_q.scheduling.readable_schedules import read_schedules
from django_q.servers.database_clock import time_expression
from django_q.servers.database_errors import is_outage
from django_q.text.error_text import short_error_text
from django_q.wire.package import TaskPackage

#: Seconds after which another scheduler may claim a due time that was claimed.
CLAIM_SECONDS = 30.0


class DueSchedules:
    """The schedules of this process's cluster, and the brokers that their tasks go to."""

    def __init__(self, broker: Broker, inline: bool = False) -> None:
        self.broker = broker
        self.inline = inline  # whether tasks that ask for it (sync) run here
        self.alias = router.db_for_write(Schedule)
        self.other_brokers: dict[str, Broker] = {}  # by the name of their cluster

    def is_away(self, error: Exception) -> bool:
        """Return True if an error has its cause outside a schedule: in a store, or in the broker.

        A store does not answer or is read-only, or the broker's server refuses commands. The
        database itself is asked: the class of an error does not show which of these it is.
        """
        for broker in (self.broker, *self.other_brokers.values()):
            if broker.is_away(error) or broker.refusal(error):
                return True
        return isinstance(error, Error) and is_outage(error, self.alias, self.change_none)

    def change_none(self) -> None:
        """Change schedules as the scheduler does, but none, on trial."""
        rows = Schedule.objects.using(self.alias).filter(pk=-1)
        rows.update(task=None, ended=None, claimed=None)

    def is_empty(self) -> bool:
        """Return True if no schedule of any cluster has a due time.

        Asked without a queryset, because using one takes 2.5 MiB of memory in a process.
        """
        connection = connections[self.alias]
        table = connection.ops.quote_name(Schedule._meta.db_table)
        return fetch_rows(connection, f"SELECT MIN(next_run) FROM {table}", [])[0][0] is None

    def active(self) -> QuerySet[Schedule]:
        """Find the schedules that will run, in the order they are due."""
        own = Q(cluster=Conf.CLUSTER_NAME)
        if Conf.CLUSTER_NAME == Conf.PREFIX:
            own |= Q(cluster=None) | Q(cluster="")
        rows = Schedule.objects.using(self.alias).filter(own, paused=False, next_run__isnull=False)
        return rows.exclude(repeats=0).order_by("next_run", "pk")

    def read_earliest(self, limit: int, excluded: Collection[int] = ()) -> list[Schedule]:
        """Read the schedules that are due first, each with the time as ``read_at``."""
        rows = self.active().annotate(read_at=self.time_in())
        if excluded:
            rows = rows.exclude(pk__in=list(excluded))
        return read_schedules(rows, limit, self.pause)

    def enqueue_due_runs(self, schedule: Schedule, now: datetime) -> list[str] | None:
        """Enqueue what is due of a schedule, advance it, and return the ids of the tasks.

        None where another scheduler has claimed it, or its row was changed. An invalid one is
        paused. Raises what the database and the broker raise, and ``ScheduleNotReady``.
        """
        try:
            due_runs = self.without_overlap(plan_due_runs(schedule, now))
            return due_runs.enqueued if self.enqueue_and_advance(due_runs) else None
        except InvalidSchedule as error:
            return [] if self.pause(schedule, error) else None

    def without_overlap(self, due_runs: DueRuns) -> DueRuns:
        """Drop the run if the schedule skips overlapping runs and its last task has not ended."""
        schedule, plan = due_runs.schedule, due_runs.plan
        if not due_runs.packages or not may_skip(schedule):
            return due_runs
        if last_task_has_ended(schedule, self.broker_for(due_runs.packages[0])):
            return due_runs
        logger.info(
            "schedule %s [%s] skips a run, as its task %s has not ended",
            schedule.pk,
            schedule.func,
            schedule.task,
        )
        return DueRuns(schedule, plan._replace(runs=()))

    def enqueue_and_advance(self, due_runs: DueRuns) -> bool:
        """Enqueue the tasks and advance the row; False if it was claimed or changed meanwhile."""
        rows = self.unclaimed(due_runs.schedule)
        if not due_runs.packages:
            return self.advance(rows, due_runs)
        if self.inline and due_runs.packages[0].get("sync", Conf.SYNC):
            due_runs.enqueued = due_runs.ids
            return self.advance(rows, due_runs) and bool([run_inline(p) for p in due_runs.packages])
        broker = self.broker_for(due_runs.packages[0])
        tasks = tasks_of(due_runs.packages, broker)
        if queue_database(broker) == self.alias:
            with transaction.atomic(self.alias):
                return self.enqueue_in_transaction(due_runs, tasks, broker)
        return self.enqueue_in_steps(due_runs, tasks, broker)

    def enqueue_in_transaction(
        self, due_runs: DueRuns, tasks: Sequence[str] | Sequence[TermedTask], broker: Broker
    ) -> bool:
        """Advance and enqueue in the open transaction; False where the row was changed."""
        rows, is_plain = self.unclaimed(due_runs.schedule), isinstance(tasks[0], str)
        due_runs.enqueued = due_runs.ids if is_plain else []
        if not self.advance(rows, due_runs):
            return False
        if is_plain:
            return bool(broker.enqueue_many(tasks))
        for outcome in enqueue(tasks, broker):
            due_runs.note(outcome)
        if due_runs.enqueued:
            rows = Schedule.objects.using(self.alias).filter(pk=due_runs.schedule.pk)
            rows.update(task=due_runs.enqueued[-1])
        return True

    def enqueue_in_steps(
        self, due_runs: DueRuns, tasks: Sequence[str] | Sequence[TermedTask], broker: Broker
    ) -> bool:
        """Claim, enqueue and advance; False where the claim failed, or ended too early."""
        until = time.monotonic() + CLAIM_SECONDS
        if not self.unclaimed(due_runs.schedule).update(claimed=self.time_in(CLAIM_SECONDS)):
            return False
        rows = self.unchanged(due_runs.schedule)
        try:
            for task_id, task in zip(due_runs.ids, tasks, strict=True):
                if time.monotonic() > until:
                    return False
                due_runs.note(enqueue_run(task, task_id, broker))
        except Exception:
            if time.monotonic() < until:
                with contextlib.suppress(Exception):  # the claim ends by itself
                    rows.update(claimed=None)
            raise
        self.advance(rows, due_runs)
        with contextlib.suppress(Exception):  # the broker remembers the ids for longer then
            broker.release_once_keys(due_runs.ids)
        return True

    def time_in(self, seconds: float = 0) -> RawSQL:
        """Make the SQL for the time in ``seconds`` from now, by the clock of the database."""
        return time_expression(self.alias, seconds)

    def unchanged(self, schedule: Schedule) -> QuerySet[Schedule]:
        """Find the row of a schedule if it still has the due time that was read."""
        rows = Schedule.objects.using(self.alias).filter(pk=schedule.pk)
        # None stands for a due time in the row that can not be read.
        return rows if schedule.next_run is None else rows.filter(next_run=schedule.next_run)

    def unclaimed(self, schedule: Schedule) -> QuerySet[Schedule]:
        """Find the row of a schedule if it is as it was read, and no scheduler has claimed it."""
        # By the clock of the database: schedulers on several hosts must agree.
        is_free = Q(claimed=None) | Q(claimed__lte=self.time_in())
        same = {"task": schedule.task, "repeats": schedule.repeats, "paused": False}
        return self.unchanged(schedule).filter(is_free, **same)

    def advance(self, rows: QuerySet[Schedule], due_runs: DueRuns) -> bool:
        """Save the last task and the next due time in the row; False where ``rows`` has none."""
        schedule, next_run = due_runs.schedule, due_runs.plan.next_run
        values = {"claimed": None, "error": None, "repeats": 0}
        if due_runs.enqueued:
            values["task"] = due_runs.enqueued[-1]
        if next_run is not None:
            values |= {
                "next_run": database_time(next_run),
                "anchor": database_time(due_runs.plan.anchor),
            }
            values["repeats"] = runs_left(schedule, len(due_runs.packages))
        is_endless = schedule.repeats < 0
        with transaction.atomic(self.alias, savepoint=False):
            if not rows.update(**values):
                return False
            # Others whose rule is over stay, so that deploying them again changes nothing.
            if next_run is None and schedule.schedule_type == Schedule.ONCE and is_endless:
                Schedule.objects.using(self.alias).filter(pk=schedule.pk).delete()
        return True

    def pause(self, schedule: Schedule, error: Exception) -> bool:
        """Pause an invalid schedule and save the reason; False if it was changed meanwhile."""
        rows, reason = self.unchanged(schedule).filter(paused=False), short_error_text(error)
        if not rows.update(paused=True, claimed=None, error=reason):
            return False
        logger.error(
            "schedule %s [%s] is paused until it is put right: %s",
            schedule.pk,
            schedule.func,
            reason,
        )
        return True

    def save_error(self, schedule: Schedule, error: BaseException) -> None:
        """Save the reason why a schedule can not run for now."""
        reason = f"{type(error).__name__}: {short_error_text(error)}"
        self.unchanged(schedule).update(error=reason)

    def broker_for(self, package: TaskPackage) -> Broker:
        """Find the broker for the queue that a package is meant for."""
        name = package["cluster"]
        if name == Conf.CLUSTER_NAME:
            return self.broker
        if name not in self.other_brokers:
            self.other_brokers[name] = adapt_broker(get_broker(name))
        return self.other_brokers[name]

    def close(self) -> None:
        """Close the connections of the brokers."""
        for broker in (self.broker, *self.other_brokers.values()):
            broker.close()


def last_task_has_ended(schedule: Schedule, broker: Broker) -> bool:
    """Return True if the last task of a schedule has ended, as far as that can be known.

    ``ended`` is set by clusters of this project alone. A task that ran on a cluster of django-q2,
    or was deleted from the queue, has ended if it has a row or if nothing is in the queue.
    """
    if schedule.task in (None, schedule.ended):
        return True
    alias = router.db_for_write(Task)
    if Task.objects.using(alias).filter(HAS_ENDED, id=schedule.task).exists():
        return True
    # In this order, as a task goes from the queue to the leases; and again, as it may come back.
    sizes = (broker.queue_size, broker.lock_size, broker.queue_size)
    return broker.has_exact_sizes and not any(size() for size in sizes)


def is_due(schedule: Schedule, now: datetime) -> bool:
    """Return True if a due time has come, or can not be read: the schedule is then paused."""
    return schedule.next_run is None or aware_utc(schedule.next_run) <= now
