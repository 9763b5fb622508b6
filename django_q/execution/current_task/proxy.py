"""``current_task``: the task that the calling code is a part of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django_q.exceptions import NoCurrentTask
from django_q.execution.current_task.iteration import iterate
from django_q.execution.current_task.task_run import TaskRun, running_task


class CurrentTask:
    """The task that runs here; false where none does, and then all else raises ``NoCurrentTask``.

    Also in coroutines, and in threads that were started with a copy of the context, as by
    ``asyncio.to_thread``.
    """

    def __bool__(self) -> bool:
        return running_task.get() is not None

    def __repr__(self) -> str:
        run = running_task.get()
        return f"<current_task: {run.package['id'] if run else 'none'}>"

    @property
    def id(self) -> str:
        """Its id."""
        return current_run().package["id"]

    @property
    def name(self) -> str:
        """Its name."""
        return current_run().package["name"]

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return current_run().package.get("attempt", 1)

    @property
    def group(self) -> str | None:
        """Its group; None without one."""
        return current_run().package.get("group")

    @property
    def queue(self) -> str:
        """The name of its queue."""
        return current_run().queue

    @property
    def deadline(self) -> datetime | None:
        """When its time limit ends it, in UTC; None for never."""
        return current_run().deadline

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has cancelled it."""
        return current_run().cancellation is not None

    def progress(self, done: Any, total: Any = None, note: Any = "") -> None:
        """Tell how far the task is: it is shown where unfinished tasks are.

        Without a total the one that was told before stays; with None for ``done``, that too.
        Raises nothing for a value that is no number, which is left out.
        """
        run = running_task.get()
        if run is None:
            raise no_current_task()
        run.progress(done, total, note)

    def iterate(self, items: Any, batch: int | None = None) -> Iterator[Any]:
        """Iterate over items, so that an interrupted task goes on where it was.

        An item counts as done when the next one is asked for; inside a transaction, when that
        commits. After a crash, a failure that is retried, or the stop of the cluster, the next
        attempt begins behind the last one that was done. With ``batch`` it gives lists of so many.

        A queryset or manager is walked by primary key; another iterable by number, and it must give
        the same items each time. Between two items ``TaskCancelled`` is raised if the task is
        cancelled, and ``TaskStopped`` if its cluster stops: neither must be caught. Of several
        loops one after the other each has its own position. A loop inside another begins anew.
        """
        return iterate(current_run(), items, batch)


def current_run() -> TaskRun:
    """Return the run that the calling code is a part of. Raises ``NoCurrentTask`` outside one."""
    run = running_task.get()
    if run is None:
        raise no_current_task()
    return run


def no_current_task() -> NoCurrentTask:
    """Make the error for code that is not part of a task."""
    return NoCurrentTask(
        "No task runs here. current_task is for functions that a cluster runs, or that run with "
        "sync=True, and for threads that have a copy of their context. bool(current_task) tells "
        "whether a task runs."
    )


current_task = CurrentTask()
