"""The steps of completing tasks: which of them are done, and what becomes of one that fails.

Completing is repeated as a whole while a store is away. What has an effect, such as a hook, is
remembered meanwhile, so that it has that effect once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django_q.brokers.base import Broker
from django_q.conf import logger
from django_q.exceptions import StoreCommandRefused, StoreUnavailable, contain_error, error_summary
from django_q.wire.package import TaskPackage, dotted_name


class CompletionSteps:
    """What is done of the completion of some tasks."""

    def __init__(self) -> None:
        #: Whether a step that fails for a reason of its own is passed over, and noted.
        self.is_tolerant = False
        self.done: dict[tuple[Any, ...], Any] = {}
        self.acknowledged: set[Any] = set()

    def once(self, package: TaskPackage, what: str, step: Callable[[], Any]) -> Any:
        """Take a step of a task unless it is done. Returns what it gave."""
        key = (package["id"], package.get("ack_id"), what)
        if key not in self.done:
            self.done[key] = self.attempt([package], what, step)
        return self.done[key]

    def attempt(self, packages: Sequence[TaskPackage], what: str, step: Callable[[], Any]) -> Any:
        """Take a step of some tasks; where it is passed over, note in the packages what failed."""
        try:
            return step()
        except StoreUnavailable:
            raise
        except BaseException as error:  # of a hook's class, or of what others wrote
            contain_error(error)
            if not self.is_tolerant:
                raise
            logger.exception("%s failed and is passed over", what)
            for package in packages:
                note_undone(package, f"{what}: {error_summary(error)}")
            return None


def note_undone(package: Any, text: str) -> None:
    """Note in a package what could not be done after its task."""
    logger.error("'%s' (%s): %s", dotted_name(package["func"]), package["name"], text)
    package["undone"] = f"{package['undone']}; {text}" if package.get("undone") else text


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
