"""What dead workers and a stop leave undone, on its way to the monitor."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from typing import Any

from django_q.completion.orphans import OrphanedDeliveries
from django_q.queues import STOP


class OrphanQueue:
    """Keeps what was abandoned until the monitor's queue takes it; true while there is any."""

    def __init__(self, result_queue: Any) -> None:
        self.result_queue = result_queue
        self.waiting: deque[OrphanedDeliveries | str] = deque()

    def __bool__(self) -> bool:
        return bool(self.waiting)

    def add(self, item: OrphanedDeliveries | str) -> None:
        """Keep what a worker had in hand when it ended, or ``STOP``."""
        self.waiting.append(item)

    def drain(self, task_queue: Any) -> None:
        """Keep what no worker has taken from the task queue, to be handed back in its order."""
        unfinished = [(job[0], job[2]) for job in task_queue.get_all() if job != STOP]
        if unfinished:
            self.add(OrphanedDeliveries("the cluster stopped", unfinished=unfinished))

    def send_to_monitor(self) -> None:
        """Tell the monitor, without waiting for it."""
        with contextlib.suppress(queue.Full):
            while self.waiting:
                self.result_queue.put_many([self.waiting[0]], block=False)
                self.waiting.popleft()
