"""The steps of completing tasks: which of them are done, and what becomes of one that fails.

Completing is repeated as a whole while a store is away. What has an effect, such as a hook, is
remembered meanwhile, so that it has that effect once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django_q.brokers.base import Broker
from django_q.completion.finished_task import FinishedTask
from django_q.conf import logger
from django_q.exceptions import StoreCommandRefused, StoreUnavailable, contain_error
from django_q.text.error_text import error_summary


class CompletionSteps:
    """What is done of the completion of some tasks."""

    def __init__(
        self,
        tell: Callable[..., None] | None = None,
        record: Callable[[Sequence[FinishedTask]], None] | None = None,
    ) -> None:
        #: Tells those who wait which tasks have ended, with what says whether something slow
        #: follows; never raises.
        self.tell = tell
        #: Counts the runs that have ended, at the end of all steps; never raises.
        self.record = record
        #: Whether a step that fails for a reason of its own is passed over, and noted.
        self.is_tolerant = False
        self.done: dict[tuple[Any, ...], Any] = {}
        self.acknowledged: set[Any] = set()

    def once(self, task: FinishedTask, what: str, step: Callable[[], Any]) -> Any:
        """Take a step of a task unless it is done. Returns what the step returned."""
        key = (task.id, task.receipt, what)
        if key not in self.done:
            self.done[key] = self.attempt([task], what, step)
        return self.done[key]

    def attempt(self, tasks: Sequence[FinishedTask], what: str, step: Callable[[], Any]) -> Any:
        """Take a step of some tasks; where it is passed over, note in them that it failed."""
        try:
            return step()
        except StoreUnavailable:
            raise
        except BaseException as error:  # of a hook's class, or of what others wrote
            contain_error(error)
            if not self.is_tolerant:
                raise
            logger.exception("%s failed and is passed over", what)
            for task in tasks:
                task.note_undone(f"{what}: {error_summary(error)}")
            return None


def call_broker(broker: Broker, method: Callable, *args: Any, **kwargs: Any) -> Any:
    """Call a method of a broker, or something else that asks it. Returns what it gave.

    Raises ``StoreUnavailable`` where the broker is away, ``StoreCommandRefused`` where it refuses.
    """
    try:
        return method(*args, **kwargs)
    except StoreUnavailable:
        raise
    except BaseException as error:  # of a broker that others wrote, too
        contain_error(error)
        if refusal := broker.refusal(error):
            raise StoreCommandRefused(refusal) from error
        if broker.is_away(error):
            raise StoreUnavailable(f"the queue {broker.list_key}") from error
        raise
