"""Enqueue what is due of the schedules of a project, as the clusters of all queues do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import router

from django_q.conf import Conf, attribute_name
from django_q.models import Schedule
from django_q.models.schedule_fields.due_times import aware_utc
from django_q.processes.scheduler import SchedulerLoop
from django_q.scheduling.due_schedules import DueSchedules
from django_q.testing.recording.broker import RecordingBroker

#: Options of a cluster in ``ALT_CLUSTERS`` that say where its queue is: here all are in memory.
REPLACED_OPTIONS = frozenset({"name", "cluster_name", "orm", "redis", "django_redis", "sqs"})
REPLACED_OPTIONS |= {"broker_class", "sync"}


@contextmanager
def as_cluster(name: str) -> Iterator[None]:
    """Have the settings be those of the cluster that serves a queue."""
    if name == Conf.CLUSTER_NAME:
        yield
        return
    saved = dict(vars(Conf))
    own: dict[str, Any] = Conf.ALT_CLUSTERS.get(name) or {}
    for key, value in own.items():
        if key not in REPLACED_OPTIONS and attribute_name(key) in saved:
            setattr(Conf, attribute_name(key), value)
    Conf.CLUSTER_NAME = name
    try:
        yield
    finally:
        vars(Conf).update(saved)


def enqueue_due_schedules() -> None:
    """Enqueue what is due now. An invalid schedule is paused, and its row says why."""
    if DueSchedules(RecordingBroker()).is_empty():
        return
    for name in sorted({name or Conf.PREFIX for name, _ in due_times()}):
        with as_cluster(name):
            SchedulerLoop(DueSchedules(RecordingBroker())).enqueue_due()


def next_due_time(now: float) -> float | None:
    """Return when a schedule is due next, after ``now``; both in seconds since the epoch."""
    return min((due for _, due in due_times() if due > now), default=None)


def due_times() -> list[tuple[str | None, float]]:
    """List the clusters and due times of the schedules that will run."""
    rows = Schedule.objects.using(router.db_for_write(Schedule)).filter(paused=False)
    found = rows.exclude(repeats=0).filter(next_run__isnull=False)
    return [
        (cluster, aware_utc(due).timestamp())
        for cluster, due in found.order_by().values_list("cluster", "next_run")
    ]
