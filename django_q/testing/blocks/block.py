"""``with enqueued()``: the block in which tasks are recorded, and in which ``drain`` runs them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest import mock

from django.core.signals import setting_changed

from django_q.calls import composition
from django_q.conf import Conf
from django_q.testing.assertions.enqueued_tasks import EnqueuedTasks
from django_q.testing.recording.broker import RecordingBroker, broker_of_call
from django_q.testing.recording.clock import Clock
from django_q.testing.recording.commits import commits_in_testcase
from django_q.testing.recording.enqueued_task import EnqueuedTask
from django_q.testing.recording.recording import Recording, current_recording

#: What ``Conf`` has inside of a block: tasks go to a queue, and to this one.
BLOCK_SETTINGS = {
    "BROKER_CLASS": f"{RecordingBroker.__module__}.{RecordingBroker.__name__}",
    "SYNC": False,
}


class enqueued:
    """Record the tasks that are enqueued in a ``with`` block, or in a function that it decorates.

    None of them runs until ``drain()`` is called. ``tasks`` is a list of ``EnqueuedTask``, which
    begins empty. No broker is asked. A call with ``sync=True`` runs at once, as elsewhere.
    """

    def __init__(self) -> None:
        self.stacks: list[ExitStack] = []  # one for each time that it is entered

    def __enter__(self) -> EnqueuedTasks:
        outer, tasks = Recording.current, EnqueuedTasks()
        recording = Recording(tasks, Clock(outer.clock.offset if outer else 0.0))
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(Recording, "current", recording))
            stack.enter_context(recording.clock.installed())
            stack.enter_context(block_settings())
            stack.enter_context(mock.patch.object(composition, "chosen_broker", broker_of_call))
            stack.enter_context(commits_in_testcase())
            self.stacks.append(stack.pop_all())
        return tasks

    def __exit__(self, *error: Any) -> None:
        self.stacks.pop().close()

    def __call__(self, func: Callable) -> Callable:
        """Decorate a function, which may be asynchronous: each call has a block of its own."""
        if inspect.iscoroutinefunction(func):

            @wraps(func)
            async def in_block(*args: Any, **kwargs: Any) -> Any:
                with enqueued():
                    return await func(*args, **kwargs)

        else:

            @wraps(func)
            def in_block(*args: Any, **kwargs: Any) -> Any:
                with enqueued():
                    return func(*args, **kwargs)

        return in_block


@contextmanager
def block_settings() -> Iterator[None]:
    """Set ``BLOCK_SETTINGS``, also after ``override_settings`` has read the others again."""
    saved: dict[str, Any] = {}

    def apply(setting: str = "Q_CLUSTER", **kwargs: Any) -> None:
        if setting in ("Q_CLUSTER", "TIME_ZONE"):
            # To look for surplus rows takes longer than a short task; -1 saves none, also here.
            for name, value in {**BLOCK_SETTINGS, "SAVE_LIMIT": min(0, Conf.SAVE_LIMIT)}.items():
                saved[name] = getattr(Conf, name)
                setattr(Conf, name, value)

    apply()
    setting_changed.connect(apply, weak=False)
    try:
        yield
    finally:
        setting_changed.disconnect(apply)
        vars(Conf).update(saved)


def assert_enqueued(func: Any, *args: Any, **kwargs: Any) -> EnqueuedTask:
    """Check that a call was enqueued in this block; see ``EnqueuedTasks.assert_enqueued``."""
    __tracebackhide__ = True
    return current_recording().tasks.assert_enqueued(func, *args, **kwargs)


def assert_not_enqueued(*args: Any, **kwargs: Any) -> None:
    """Check that no such call, or nothing, was enqueued in this block."""
    __tracebackhide__ = True
    current_recording().tasks.assert_not_enqueued(*args, **kwargs)
