"""Follow the log of a task until it has ended, attempt by attempt."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from datetime import timezone as dt_timezone

from django_q.brokers.base import Broker
from django_q.models import TaskLog
from django_q.orders.showing import answer, ask_unless_asked
from django_q.task_logs.rows import saved_logs
from django_q.task_state.shown import LOG, RunAnswer
from django_q.unfinished.reading import broker_for, fetch_unfinished, has_row, running_tasks

#: Seconds between two looks.
FOLLOW_INTERVAL = 0.5
#: Seconds for which a log may come after the end of its task.
LATE_LOG_SECONDS = 2.0
#: Seconds for which a task is looked for that nobody knows: it may be on its way.
UNKNOWN_SECONDS = 10.0


@dataclass
class LogPart:
    """A part of the log of one attempt; the whole of it, where that has ended before."""

    task_id: str
    attempt: int
    queue: str
    worker: str
    begun: datetime
    text: str
    is_truncated: bool  # whether there was more before it that was not kept
    is_first: bool = True  # of this attempt


def whole_logs(task_id: str) -> Iterator[LogPart]:
    """Yield the saved logs of a task."""
    return LogReader(task_id).new_parts(saved_logs(task_id))


def follow(task_id: str, queue: str | None = None) -> Iterator[LogPart]:
    """Yield the log of a task as it is written, until it has ended."""
    reader, left = LogReader(task_id), UNKNOWN_SECONDS
    while left > 0:
        running = None
        if has_row(task_id):
            left = min(left, LATE_LOG_SECONDS)
        elif is_unfinished(task_id, queue):
            left, running = UNKNOWN_SECONDS, log_so_far(task_id, broker_for(queue))
        yield from reader.new_parts(saved_logs(task_id))
        if running:
            yield from reader.new_parts([running])
        time.sleep(FOLLOW_INTERVAL)
        left -= FOLLOW_INTERVAL


def is_unfinished(task_id: str, queue: str | None) -> bool:
    """Return True if a task waits or runs, as far as that can be known."""
    if fetch_unfinished(task_id, queue) is not None:
        return True
    return task_id in running_tasks(broker_for(queue))


def log_so_far(task_id: str, broker: Broker) -> TaskLog | None:
    """Return the log of a task that runs, as its cluster shows it; and ask for it."""
    ask_unless_asked(broker, LOG, task_id)
    shown = answer(broker, LOG, task_id)
    return as_row(task_id, shown) if shown else None


def as_row(task_id: str, shown: RunAnswer) -> TaskLog:
    """Make a row of a log that is not complete, and not to be saved."""
    return TaskLog(
        task_id=task_id,
        attempt=shown.attempt,
        worker=shown.worker,
        begun=datetime.fromtimestamp(shown.begun, dt_timezone.utc),
        text=shown.text,
        length=shown.length,
    )


class LogReader:
    """Reads the logs of a task again and again, and tells what is new."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        #: How many bytes were told of each attempt, by its number and when it began, in ms.
        self.told: dict[tuple[int, int], int] = {}

    def new_parts(self, rows: Iterable[TaskLog]) -> Iterator[LogPart]:
        """Yield what rows have that was not told."""
        for row in rows:
            key = row.attempt, round(row.begun.timestamp() * 1000)
            told = self.told.get(key, 0)
            if row.length <= told:
                continue
            self.told[key] = row.length
            data = row.text.encode(errors="replace")
            text = data[-(row.length - told) :].decode(errors="ignore")
            yield LogPart(
                *(self.task_id, row.attempt, row.queue, row.worker, row.begun, text),
                is_truncated=row.length - told > len(data),
                is_first=told == 0,
            )
