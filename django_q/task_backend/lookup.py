"""Find the result of a task of Django's framework: its row, or the task where it is unfinished."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django_q.brokers import Broker, adapt_broker
from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.terms import LEASED, QueuedTask
from django_q.calls.enqueueing import served_options
from django_q.conf import Conf
from django_q.models import Task as TaskRow
from django_q.models import pickle_preview
from django_q.models.task import HAS_ENDED
from django_q.outbox.rows import find_row
from django_q.status import Stat
from django_q.task_backend.framework import (
    RESULT_DOES_NOT_EXIST,
    TaskResult,
    TaskResultStatus,
    error_class,
)
from django_q.task_backend.outcomes import (
    earlier_attempts,
    first_begin,
    known_alias,
    local_time,
    make_result,
    task_error,
    task_of,
    timestamp_time,
)
from django_q.task_backend.queue_choice import queues_to_search
from django_q.task_state.attempts import MAX_KEPT_ENDS
from django_q.unfinished.reading import find_anywhere, find_queued, queued_row
from django_q.unfinished.task import kept_attempts

#: The id of a task of this project; UUIDs may have dashes.
TASK_ID = re.compile("[0-9a-f]{32}")


def find_result(task_id: Any, backend: Any) -> TaskResult:
    """Return the result of a task. Raises ``TaskResultDoesNotExist``.

    A task goes from the broker to a worker, and from there to the results: it is looked for in
    this order, so that none is missed on its way.
    """
    name = task_id.hex if isinstance(task_id, UUID) else str(task_id).replace("-", "").lower()
    if isinstance(task_id, (str, UUID)) and TASK_ID.fullmatch(name):
        found = from_row(name, backend) or unfinished_result(name, backend)
        if found := found or from_row(name, backend):
            return found
    raise error_class(RESULT_DOES_NOT_EXIST)(
        f"There is no task {task_id!r:.100} of Django's tasks framework. It was never enqueued, "
        "its transaction is not committed yet, or its result is kept no longer."
    )


def from_row(task_id: str, backend: Any) -> TaskResult | None:
    """Make the result of a task that has ended, from its row."""
    row = TaskRow.objects.filter(HAS_ENDED, id=task_id).order_by().first()
    options = row.options if row else None
    if row is None or not isinstance(options, Mapping) or "backend" not in options:
        return None
    several = row.attempts or []  # the last one too, where there were several
    count = row.attempt_count if len(several) >= MAX_KEPT_ENDS else 0
    attempts = earlier_attempts(several, count)
    if not several and row.worker:
        attempts["worker_ids"].append(row.worker)
    if not row.success:  # the text of the last one is not cut here
        attempts["errors"][-1:] = [task_error(row.exception, row.result)]
    alias = known_alias(options["backend"], backend.alias)
    return make_result(
        task_of(row.func, {**options, "group": row.group}, alias),
        id=row.id,
        status=TaskResultStatus.SUCCESSFUL if row.success else TaskResultStatus.FAILED,
        enqueued_at=row.started,
        started_at=first_begin(several[:-1]) or row.begun,
        last_attempted_at=row.begun,
        finished_at=row.stopped,
        args=row.args or [],
        kwargs=row.kwargs or {},
        return_value=row.result if row.success else None,
        **attempts,
    )


def unfinished_result(task_id: str, backend: Any) -> TaskResult | None:
    """Make the result of a task that waits or runs."""
    # First: from the outbox a task goes to the broker.
    kept = find_row(task_id) if Conf.OUTBOX else None
    brokers = [adapt_broker(shared_broker(name)) for name in queues_to_search(backend.queues)]
    queued = next(filter(None, (broker.find(task_id) for broker in brokers)), None)
    run = find_run(task_id, brokers[0])
    if queued is None:
        if found := from_row(task_id, backend):
            return found
        queued = found_elsewhere(task_id, brokers[0]) or (queued_row(kept) if kept else None)
    if queued is None and (run is None or is_tracked(brokers)):
        return None
    # It may have ended meanwhile.
    return from_row(task_id, backend) or unfinished_of(task_id, queued, run, backend)


def is_tracked(brokers: list[Broker]) -> bool:
    """Return True if brokers find each task that has not ended; else its heartbeat must do."""
    return all("track" in served_options(broker) for broker in brokers)


def found_elsewhere(task_id: str, broker: Broker) -> QueuedTask | None:
    """Find a task in a queue that the settings name no more; all of the server are asked."""
    found = find_queued(task_id, broker) or find_anywhere(task_id, broker)
    return found[1] if found else None


def find_run(task_id: str, broker: Broker) -> dict[str, Any] | None:
    """Find the task among those that workers run, by the heartbeats; with its ``worker``."""
    return next((run for run in runs(broker) if run["id"] == task_id), None)


def runs(broker: Broker) -> Iterator[dict[str, Any]]:
    """Yield what workers of all clusters run: with the worker as rows name it, and since when."""
    for stat in Stat.get_all(broker):
        for run in stat.running:
            begun = stat.timestamp.timestamp() - run["seconds"]
            yield {**run, "worker": f"{stat.host}:{run['pid']}", "begun": begun}


def unfinished_of(
    task_id: str, queued: QueuedTask | None, run: dict[str, Any] | None, backend: Any
) -> TaskResult | None:
    """Make the result of a task from what the broker and a heartbeat tell of it."""
    package = pickle_preview.read_payload(queued.payload) if queued else {}
    if queued and "backend" not in package:
        return None  # a plain task, or one that can not be read
    if queued and queued.state != LEASED:
        run = None  # a heartbeat of before it was delivered again
    args, kwargs = json.loads(package.get("arguments") or "[[], {}]")
    path = pickle_preview.function_name(package.get("func")) or (run["func"] if run else "")
    before = kept_attempts(task_id, queued.kept if queued else None)
    values: dict[str, Any] = earlier_attempts(before.ends, before.count)
    values["started_at"] = first_begin(before.ends)
    if run:
        values["worker_ids"].append(run["worker"])
        begun = timestamp_time(run["begun"])
        values |= {
            "status": TaskResultStatus.RUNNING,
            "started_at": values["started_at"] or begun,
            "last_attempted_at": begun,
        }
    enqueued_at = pickle_preview.time_of(package.get("started"))
    alias = known_alias(package.get("backend"), backend.alias)
    return make_result(
        task_of(path, package, alias),
        id=task_id,
        enqueued_at=enqueued_at and local_time(enqueued_at),
        args=args,
        kwargs=kwargs,
        **values,
    )
