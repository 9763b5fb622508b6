"""Follow the log of a task until it has ended, attempt by attempt."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django_q.models import TaskLog
from django_q.task_logs.rows import saved_logs
from django_q.unfinished.reading import broker_for, fetch_unfinished, has_row, running_tasks

#: Seconds between two looks.
FOLLOW_INTERVAL = 0.5
#: Seconds for which a log may come after the end of its task.
LATE_LOG_SECONDS = 2.0
#: Seconds for which a task is looked for that nobody knows: it may be on its way.
UNKNOWN_SECONDS = 10.0


def follow(task_id: str, queue: str | None = None) -> Iterator[TaskLog]:
    """Yield the logs of the attempts of a task as they come, until it has ended."""
    seen: set[int] = set()
    left = UNKNOWN_SECONDS
    while left > 0:
        if has_row(task_id):
            left = min(left, LATE_LOG_SECONDS)
        elif is_unfinished(task_id, queue):
            left = UNKNOWN_SECONDS
        for row in saved_logs(task_id):
            if row.pk not in seen:
                seen.add(row.pk)
                yield row
        time.sleep(FOLLOW_INTERVAL)
        left -= FOLLOW_INTERVAL


def is_unfinished(task_id: str, queue: str | None) -> bool:
    """Return True if a task waits or runs, as far as that can be known."""
    if fetch_unfinished(task_id, queue) is not None:
        return True
    return task_id in running_tasks(broker_for(queue))
