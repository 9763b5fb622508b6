"""Schedules of RQ's own cron scheduler, which django-rq starts as ``rqcron``.

They are code; a scheduler that runs keeps what it has read from there in Redis.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.module_loading import import_string
from redis import Redis

from django_q.importing.found import FoundSchedule, NotImportable, cron, every


def find(redis_url: str) -> Iterator[FoundSchedule | tuple[str, NotImportable]]:
    """List the jobs of the schedulers that run on the server at an address, each once."""
    connection = Redis.from_url(redis_url)
    known: dict[str, Any] = {}
    for scheduler in import_string("rq.cron.CronScheduler").all(connection):
        for job in scheduler.get_jobs():
            name, definition = job.name, definition_of(job)
            if name in known and known[name] != definition:  # two jobs of one function
                name = f"{job.name} {job.cron or f'every {job.interval} s'}"
            if known.get(name) == definition:  # of another scheduler
                continue
            known[name] = definition
            try:
                yield found(job, name)
            except NotImportable as error:
                yield name, error


def definition_of(job: Any) -> dict[str, Any]:
    """Return what a job is, without when it has run."""
    return {key: value for key, value in job.to_dict().items() if not key.endswith("_time")}


def found(job: Any, name: str) -> FoundSchedule:
    """Read a job. Raises NotImportable."""
    unreadable = import_string("rq.utils.NOT_JSON_SERIALIZABLE")
    if unreadable in (job.args, job.kwargs):
        raise NotImportable("RQ keeps no arguments that JSON does not have")
    if job.cron:
        fields = {**cron(job.cron)}  # RQ goes by the local time of its host
    else:
        fields = {**every(job.interval)}
        if job.latest_enqueue_time:
            fields["next_run"] = job.next_enqueue_time
    kwargs, notes = dict(job.kwargs), []
    if timeout := job.job_options.get("job_timeout"):
        kwargs["q_options"] = {"timeout": timeout}
    if job.queue_name != "default":
        fields["cluster"] = job.queue_name
        notes.append(f"a cluster has to serve the queue {job.queue_name}")
    return FoundSchedule(name, job.func_name, job.args, kwargs, fields, notes)
