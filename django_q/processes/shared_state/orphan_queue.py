"""Orphaned deliveries, of dead workers and of a stop, on their way to the monitor."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from typing import Any

from django_q.completion.orphans import OrphanedDeliveries
from django_q.queues import STOP
from django_q.task_logs.entry import LogEntry


class OrphanQueue:
    """Keeps orphaned deliveries until the result queue has room; true while there are any."""

    def __init__(self, result_queue: Any) -> None:
        self.result_queue = result_queue
        self.waiting: deque[OrphanedDeliveries | LogEntry | str] = deque()

    def __bool__(self) -> bool:
        return bool(self.waiting)

    def add(self, item: OrphanedDeliveries | LogEntry | str) -> None:
        """Add the deliveries that a worker held when it ended, its log, or ``STOP``."""
        self.waiting.append(item)

    def drain(self, task_queue: Any) -> None:
        """Add the deliveries in the task queue, in their order: the monitor releases them."""
        unfinished = [(job[0], job[2]) for job in task_queue.get_all() if job != STOP]
        if unfinished:
            self.add(OrphanedDeliveries("the cluster stopped", unfinished=unfinished))

    def send_to_monitor(self) -> None:
        """Put them into the result queue as far as it has room, without waiting."""
        with contextlib.suppress(queue.Full):
            while self.waiting:
                self.result_queue.put_many([self.waiting[0]], block=False)
                self.waiting.popleft()
