"""Mark failures that are run again under their own ids: they are unfinished from then on."""

from __future__ import annotations

from typing import Any

from django.db import router
from django.utils import timezone
from django.utils.translation import gettext as _

from django_q.brokers.base import Broker
from django_q.models import Task
from django_q.task_state.attempts import MAX_KEPT_ENDS, make_end, utc_text
from django_q.unfinished.reading import running_tasks

#: A task that was resubmitted so many seconds ago, and is nowhere, is lost: it was deleted from its
#: queue. One that is in no heartbeat yet may have been taken just now.
LOST_RERUN_SECONDS = 60


def why_unfinished(task: Task, broker: Broker) -> str | None:
    """Say why a failure has not ended and can not be run again; None where it can.

    ``broker`` is that of its queue.
    """
    if broker.find(task.id) or (task.is_rerun and task.id in running_tasks(broker)):
        return _("It is in the queue already, or runs.")
    if not task.is_rerun:
        return None
    age = (timezone.now() - task.rerun_at).total_seconds()
    if age < LOST_RERUN_SECONDS:
        return _("It was resubmitted %(seconds)d seconds ago.") % {"seconds": age}
    return None


def mark_rerun(task: Task) -> bool:
    """Mark a failure as run again, and keep how it had ended; False if its row has changed since.

    A compare-and-set: of those who do it at a time, one succeeds.
    """
    rows = Task.objects.using(router.db_for_write(Task)).filter(success=False)
    unchanged = rows.filter(pk=task.pk, stopped=task.stopped, rerun_at=task.rerun_at)
    now = timezone.now()
    return bool(unchanged.update(rerun_at=now, stopped=now, attempts=earlier_ends(task)))


def earlier_ends(task: Task) -> list[dict[str, Any]]:
    """List how the attempts of a failure have ended, of which its row tells the last."""
    ends = task.attempts if isinstance(task.attempts, list) else []
    if not task.is_rerun and not (ends and is_end_of(ends[-1], task)):
        ends = [*ends, last_end(task)]
    return ends[-MAX_KEPT_ENDS:]


def is_end_of(end: Any, task: Task) -> bool:
    """Return True if the last end in the history of a task is the one that its row tells."""
    return isinstance(end, dict) and end.get("time") == utc_text(task.stopped)


def last_end(task: Task) -> dict[str, Any]:
    """Return the end that the row of a failure tells, in the form of ``Task.attempts``."""
    text = task.result if isinstance(task.result, str) else ""
    told = {
        "stopped": task.stopped,
        "begun": task.begun and task.begun.timestamp(),
        "worker": task.worker,
        "attempt": task.attempt_count,
    }
    return make_end({**told, "success": False, "exception": task.exception}, text)
