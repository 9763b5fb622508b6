"""What an assistant may do, where the command allows it."""

from __future__ import annotations

from django_q.calls.resubmission import resubmit as resubmit_row
from django_q.conf import logger
from django_q.mcp.answers import Answer, answering
from django_q.models import Task
from django_q.orders.cancelling import cancel as cancel_by_id
from django_q.unfinished.reading import normal_id

#: Who a cancelled task says has cancelled it.
ORDERED_BY = "an assistant (qmcp)"


@answering
def resubmit(task_id: str) -> Answer:
    """Run a finished task again: a failure under its own id, a success under a new one."""
    row = Task.objects.filter(pk=normal_id(task_id)).first()
    if row is None:
        return {"found": False}
    new_id = resubmit_row(row)
    logger.info("%s resubmitted the task %s '%s'", ORDERED_BY, row.name, task_id)
    return {"found": True, "id": new_id}


@answering
def cancel(task_id: str, reason: str, queue: str = "") -> Answer:
    """Cancel a task by its id.

    The outcome is "removed" (it never begins), "requested" (the clusters were told), "ended" (it
    had ended before) or "unknown".
    """
    outcome = cancel_by_id(task_id, queue=queue or None, reason=reason, by=ORDERED_BY)
    logger.info("%s cancelled the task '%s': %s", ORDERED_BY, task_id, outcome)
    return {"outcome": outcome}
