"""The backend of this project with what tests ask of the built-in ones."""

from __future__ import annotations

from typing import Any

from django_q.backend import DjangoQBackend
from django_q.brokers.memory import clear_queues
from django_q.conf import Conf


class Queued(DjangoQBackend):
    """Puts tasks into a queue from which nobody takes them, as ``DummyBackend`` does."""

    @property
    def results(self) -> list[Any]:
        """Results of all tasks."""
        from django_q.tasks import list_unfinished

        return [self.get_result(task.id) for task in list_unfinished()]

    def clear(self) -> None:
        """Remove all tasks."""
        clear_queues()


class Inline(DjangoQBackend):
    """Runs a task where it is enqueued, as ``ImmediateBackend`` does."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Run a task."""
        Conf.SYNC = True
        try:
            return super().enqueue(task, args, kwargs)
        finally:
            Conf.SYNC = False
