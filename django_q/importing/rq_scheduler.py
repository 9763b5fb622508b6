"""Schedules of RQ Scheduler: jobs in a sorted set of Redis."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from django.utils.module_loading import import_string
from redis import Redis

from django_q.importing.found import FoundSchedule, NotImportable, cron, every, once


def find(redis_url: str) -> Iterator[FoundSchedule | tuple[str, NotImportable]]:
    """List the jobs of the server at an address, in the order of their times.

    RQ unpickles what the server holds.
    """
    scheduler = import_string("rq_scheduler.Scheduler")(connection=Redis.from_url(redis_url))
    for job, moment in scheduler.get_jobs(with_times=True):
        try:
            yield found(job, moment)
        except NotImportable as error:
            yield job_name(job), error


def job_name(job: Any) -> str:
    """Return the id that a person has given to a job, or else its function and a part of the id."""
    try:
        UUID(job.id)
    except ValueError:
        return str(job.id)
    return f"{job.func_name} {job.id[:8]}"


def found(job: Any, moment: datetime) -> FoundSchedule:
    """Read a job, and when it is due. Raises NotImportable."""
    name, meta = job_name(job), job.meta
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    if expression := meta.get("cron_string"):
        fields = {**cron(expression, None if meta.get("use_local_timezone") else "UTC")}
    elif interval := meta.get("interval"):
        fields = {**every(interval), "next_run": moment}
    else:
        fields = once(moment)
    if (repeat := meta.get("repeat")) is not None:
        fields["repeats"] = int(repeat) + 1  # the next run does not count as one
    kwargs = dict(job.kwargs)
    if job.timeout:
        kwargs["q_options"] = {"timeout": job.timeout}
    notes = []
    if job.origin and job.origin != "default":
        fields["cluster"] = job.origin
        notes.append(f"a cluster has to serve the queue {job.origin}")
    return FoundSchedule(name, job.func_name, job.args, kwargs, fields, notes)
