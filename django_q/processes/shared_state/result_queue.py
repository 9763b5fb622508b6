"""The result queue, whose reader notes when it can not save what it takes."""

from __future__ import annotations

from typing import Any

from django_q.queues import LockFreeCounter, Queue


class ResultQueue(Queue):
    """The queue from workers to the monitor. While the monitor is stuck, no tasks are taken."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck = LockFreeCounter()

    @property
    def is_stuck(self) -> bool:
        """Whether the monitor can save no results, or may be unable to extend their leases."""
        return bool(self.stuck.value())

    def close(self) -> None:
        """Close the queue in this process."""
        super().close()
        if stuck := vars(self).get("stuck"):
            stuck.close()


def set_stuck(result_queue: Any, is_stuck: bool) -> None:
    """Note whether the reader of a result queue is stuck; other kinds of queue are left alone."""
    if isinstance(result_queue, ResultQueue):
        result_queue.stuck.set(int(is_stuck))
