"""Find the order by which a task is cancelled, and end it without running it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.utils import timezone

from django_q.exceptions import TaskCancelled
from django_q.execution.run_details import describe_failure
from django_q.task_state.cancellation import QUEUE_KEY, group_key, task_key
from django_q.wire.package import TaskPackage, chain_start, is_iterable_item


def find_order(package: TaskPackage, orders: Mapping[str, tuple[float, str]]) -> str | None:
    """Return who has cancelled a task, by the notices of its queue; None where nobody has.

    An order for a group or a queue is for the tasks of which the chain or the whole had begun when
    it was given.
    """
    for key in task_keys(package):
        if order := orders.get(key):
            return order[1]
    for key in keys_of_many(package):
        if (order := orders.get(key)) and (chain_start(package) or 0.0) < order[0]:
            return order[1]
    return None


def task_keys(package: TaskPackage) -> Iterator[str]:
    """Yield the keys of notices for a task alone, or for the iterable that it is an item of."""
    yield task_key(package["id"])
    if is_iterable_item(package):
        yield task_key(package["group"])


def keys_of_many(package: TaskPackage) -> Iterator[str]:
    """Yield the keys of notices for many tasks that a task may be among."""
    for group in (package.get("group"), package.get("iter_group")):
        if isinstance(group, str):
            yield group_key(group)
    yield QUEUE_KEY


def end_as_cancelled(package: TaskPackage, text: str) -> None:
    """Write into a package that its task was cancelled, without running it; ``text`` says by whom.

    Such a failure is final, and has all that follows from any other.
    """
    error = TaskCancelled(text)
    package["cancelled"] = text
    package["success"] = False
    package["result"] = f"{error!r} : the task was not run"
    package["stopped"] = timezone.now()
    package.update(describe_failure(error, package["func"]))
