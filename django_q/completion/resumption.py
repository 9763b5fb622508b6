"""Go on with tasks that have ended before, and of which only what follows is left to do.

A hook, or a receiver of a signal, can end the process that calls it. The delivery then comes
again: its task has succeeded, so the function is not called a second time. What follows is tried
again, without the one who has ended too many processes.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import router
from django.db.models import ExpressionWrapper, F, TextField
from django.utils import timezone

from django_q.completion.finished_task import FinishedTask
from django_q.conf import Conf, logger
from django_q.exceptions import contain_error
from django_q.execution.run_details import log_fields
from django_q.foreign_code.guards import CurrentForeignCall
from django_q.models import Part, Task
from django_q.models.columns.stored_values import JSON_MARK, UnopenedPickle, from_json
from django_q.results import cached_format, parts
from django_q.results.cache import CachedResults
from django_q.results.rows import PickledValue
from django_q.task_state.attempts import RESULT_KEY, attempts_of, lost_deliveries
from django_q.text.error_text import error_summary
from django_q.wire.package import TaskPackage, is_iterable_item

#: How often a hook is called at most for a task whose monitor does not live to see its end. Before
#: the last time the task is acknowledged.
MAX_HOOK_CALLS = 3


def has_succeeded_before(package: TaskPackage) -> bool:
    """Whether an earlier delivery of a task has succeeded; then its package is complete.

    Asked of what is not delivered for the first time. No database is asked where each delivery
    before has ended as recorded: the task was run again as it had failed.
    """
    try:
        end = kept_outcome(package)
        if end is None and not lost_deliveries(package):
            return False
        end = end or earlier_outcome(package)
    except BaseException as error:  # of a database or a cache that is away
        contain_error(error)
        logger.warning(
            "whether '%s' has succeeded before can not be told: %s",
            package["name"],
            error_summary(error),
            extra=log_fields(package),
        )
        return False
    if end is None:
        return False
    package["success"] = True
    package["result"], package["stopped"], attempt = end
    package["resumed"] = max(1, package["attempt"] - attempt)
    text = "'%s' has succeeded before, and is not run again"
    logger.info(text, package["name"], extra=log_fields(package))
    return True


def kept_outcome(package: TaskPackage) -> tuple[Any, datetime, int] | None:
    """Find what is kept beside the payload of a success that has left no row."""
    ends = attempts_of(package).ends
    if not ends or RESULT_KEY not in ends[-1]:
        return None
    end = ends[-1]
    return undecoded_value(end[RESULT_KEY]), datetime.fromisoformat(end["time"]), end["attempt"]


def earlier_outcome(package: TaskPackage) -> tuple[Any, datetime, int] | None:
    """Find the result of a task that has succeeded, when that was, and at which attempt."""
    if is_iterable_item(package):
        return item_outcome(package["group"], package["id"])
    if package.get("cached"):
        return cached_outcome(package["id"])
    rows = Task.objects.using(router.db_for_write(Task)).filter(id=package["id"], success=True)
    # As text, because to read the value is to run code of its class.
    column = ExpressionWrapper(F("result"), output_field=TextField())
    row = rows.annotate(column=column).values_list("column", "stopped", "attempt_count").first()
    return row and (undecoded_value(row[0]), row[1], row[2])


def item_outcome(iterable: str, task_id: str) -> tuple[Any, datetime, int] | None:
    """Find how an item of an iterable has ended; of one whose iterable is over nobody asks more."""
    if part := Part.objects.filter(iterable=iterable, task=task_id, success=True).first():
        data = bytes(part.result)
        is_json = data.startswith(JSON_MARK.encode())
        return from_json(data.decode()) if is_json else PickledValue(data), part.stopped, 1
    return (None, timezone.now(), 1) if parts.is_collated(iterable) else None


def cached_outcome(task_id: str) -> tuple[Any, datetime, int] | None:
    """Find how a task has ended whose result is in the cache."""
    kept = CachedResults.of()
    found = cached_format.read(kept.get(kept.key(task_id)), task_id)
    if not found or not found["success"]:
        return None
    return found["result"], found["stopped"], found.get("attempt", 1)


def undecoded_value(column: str | None) -> Any:
    """Give what a column holds, for somebody else to read."""
    if column is None:
        return None
    if column.startswith(JSON_MARK):
        return from_json(column)
    return UnopenedPickle(column) if Conf.SERIALIZER == "json" else PickledValue(b64decode(column))


def crash_suspects_last(tasks: Sequence[FinishedTask]) -> Sequence[FinishedTask]:
    """Put those last whose hook may end this process: the others must not wait for them."""
    if not CurrentForeignCall.crash_causes:
        return tasks
    hooks = set(CurrentForeignCall.crash_causes.values())
    return sorted(tasks, key=lambda task: (has_suspect_hook(task), hook_label(task) in hooks))


def has_suspect_hook(task: FinishedTask) -> bool:
    """Return whether the hook of a task may end this process: then it is acknowledged before it.

    The hook has ended a process of this cluster, or no process has lived to see its end at the
    deliveries before. Those may have died of another task, so that the hook is called once more.
    """
    if CurrentForeignCall.crash_causes.get(task.id, "").startswith("return hook"):
        return True
    return task.package.get("resumed", 0) >= MAX_HOOK_CALLS - 1


def hook_label(task: FinishedTask) -> str:
    """Name the hook of a task as it is named where it has ended a process."""
    hook = task.package.get("hook")
    return f"return hook {hook}" if isinstance(hook, str) else ""
