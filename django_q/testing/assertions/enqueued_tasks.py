"""The list of the tasks of a test: find the calls that it expects, and tell what came instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django_q.testing.assertions.expected_call import ExpectedCall
from django_q.testing.recording.commits import count_uncommitted
from django_q.testing.recording.enqueued_task import EnqueuedTask

#: Tasks that a message lists.
MAX_NAMED_TASKS = 20


class EnqueuedTasks(list[EnqueuedTask]):
    """The tasks that were enqueued in a block, in this order."""

    def assert_enqueued(
        self,
        func: Any,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        count: int | None = None,
        **options: Any,
    ) -> EnqueuedTask:
        """Check that a call was enqueued, and return the first task of it.

        ``func`` is a function, its path, or a task of Django's framework. Arguments and options
        that are left out may have any value. With ``count``, there are exactly so many such calls.
        """
        __tracebackhide__ = True
        call = ExpectedCall.make(func, args, kwargs, options)
        found = [task for task in self if not call.differences(task)]
        if not found or count not in (None, len(found)):
            raise AssertionError(self.missing_text(call, found, count))
        return found[0]

    def assert_not_enqueued(
        self,
        func: Any = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Check that no such call was enqueued; without a function, that nothing was."""
        __tracebackhide__ = True
        call = None if func is None else ExpectedCall.make(func, args, kwargs, options)
        found = [task for task in self if call is None or not call.differences(task)]
        if found:
            expected = "no task" if call is None else f"no call of {call}"
            raise AssertionError(f"Expected {expected}, got {len(found)}:{listed(found)}")

    def missing_text(
        self, call: ExpectedCall, found: Sequence[EnqueuedTask], count: int | None
    ) -> str:
        """Say what was expected, what was enqueued instead, and which of that is nearest."""
        number = "a call" if count is None else f"{count} calls"
        text = f"Expected {number} of {call}, got {len(found) or 'none'}. "
        text += f"Enqueued:{listed(self)}" if self else "Nothing was enqueued."
        if self and not found:
            nearest = min(self, key=call.distance)
            differences = "".join(f"\n  {each}" for each in call.differences(nearest))
            text += f"\nThe nearest is {nearest!r}:{differences}"
        if waiting := count_uncommitted():
            text += f"\nWaiting for the open transaction to commit: {waiting} more."
        return text


def listed(tasks: Sequence[EnqueuedTask]) -> str:
    """List tasks, one a line."""
    more = len(tasks) - MAX_NAMED_TASKS
    lines = "".join(f"\n  {task!r}" for task in tasks[:MAX_NAMED_TASKS])
    return lines + (f"\n  and {more} more" if more > 0 else "")
