"""The queue of results, whose reader says when it can not get rid of what it takes."""

from __future__ import annotations

from typing import Any

from django_q.queues import LockFreeCounter, Queue


class ResultQueue(Queue):
    """A queue of what workers put out. While its reader is stuck, no more tasks are taken."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck = LockFreeCounter()

    @property
    def is_stuck(self) -> bool:
        """Whether the reader has nowhere to write what it takes."""
        return bool(self.stuck.value())

    def close(self) -> None:
        """Let go of it in this process."""
        super().close()
        if stuck := vars(self).get("stuck"):
            stuck.close()


def set_stuck(result_queue: Any, is_stuck: bool) -> None:
    """Note whether what is taken off a queue of results can be written somewhere."""
    if isinstance(result_queue, ResultQueue):
        result_queue.stuck.reset()
        if is_stuck:
            result_queue.stuck.add(1)
