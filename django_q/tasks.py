"""The functions of this project for users: enqueue tasks, schedule them, and read results."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

from django_q.brokers import get_broker
from django_q.brokers.base import Broker
from django_q.brokers.contract.orders import REMOVED, REQUESTED
from django_q.calls.chain import Chain
from django_q.calls.composition import send_batch, send_call, send_chain, send_iterable
from django_q.calls.inline import run_inline
from django_q.calls.iterable import Iter
from django_q.calls.resubmission import resubmit, resubmit_kind
from django_q.calls.task import AsyncTask
from django_q.calls.task_function.decorator import task
from django_q.calls.task_function.task_function import TaskFunction
from django_q.execution.current_task.proxy import current_task
from django_q.models import Schedule, Task
from django_q.orders.cancelling import ENDED, UNKNOWN, cancel
from django_q.orders.steering import queue
from django_q.results.async_reading import afetch, afetch_group, aresult, aresult_group
from django_q.results.reading import (
    count_group,
    count_group_cached,
    delete_cached,
    delete_group,
    delete_group_cached,
    fetch,
    fetch_cached,
    fetch_group,
    fetch_group_cached,
    queue_size,
    result,
    result_cached,
    result_group,
    result_group_cached,
)
from django_q.scheduling.backfill import backfill
from django_q.scheduling.declared.declaration import scheduled
from django_q.scheduling.due_runs import run_now
from django_q.scheduling.schedules_in_code import make_schedule
from django_q.unfinished.reading import (
    count_unfinished,
    fetch_unfinished,
    list_unfinished,
    queue_names,
)
from django_q.unfinished.task import UnfinishedTask

__all__ = [
    "ENDED",
    "REMOVED",
    "REQUESTED",
    "UNKNOWN",
    "AsyncTask",
    "Chain",
    "Iter",
    "Schedule",
    "Task",
    "TaskFunction",
    "UnfinishedTask",
    "aasync_task",
    "acancel",
    "afetch",
    "afetch_group",
    "aresult",
    "aresult_group",
    "async_batch",
    "async_chain",
    "async_iter",
    "async_task",
    "backfill",
    "cancel",
    "count_group",
    "count_group_cached",
    "count_unfinished",
    "current_task",
    "delete_cached",
    "delete_group",
    "delete_group_cached",
    "fetch",
    "fetch_cached",
    "fetch_group",
    "fetch_group_cached",
    "fetch_unfinished",
    "get_broker",
    "list_unfinished",
    "queue",
    "queue_names",
    "queue_size",
    "resubmit",
    "resubmit_kind",
    "result",
    "result_cached",
    "result_group",
    "result_group_cached",
    "run_now",
    "schedule",
    "scheduled",
    "task",
]


def async_task(func: str | Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Have a function called by a cluster, and return the id of the task.

    ``func`` is a dotted path, or anything that can be called and pickled; so are the arguments.
    What can not be pickled raises ``PackageError`` here, which names it. Inside a transaction the
    task is pushed when it commits, with the arguments as they are now.

    These keyword arguments are options of the task and are not passed on. They may stand in a
    dictionary ``q_options`` as well, which wins:

    - ``hook``: called with the finished Task; a dotted path or a callable
    - ``group``: a label by which results can be found
    - ``task_name``: instead of the four words that name it otherwise
    - ``timeout``: the time limit in seconds
    - ``max_attempts``, ``ack_failure``: whether a failed task is tried again
    - ``save``: whether a success is saved
    - ``cached``: keep the result in the cache; True, or for how many seconds
    - ``sync``: run it here and now; a failure is saved and does not raise
    - ``on_commit``: False does not wait for the transaction
    - ``chain``: links that follow it, see ``async_chain``
    - ``cluster``: name of the cluster that runs it
    - ``broker``: the broker that takes it
    - ``redis``, ``list_key``: a Redis client to push with, and the list to push to

    These stand in ``q_options`` alone, as a function may have arguments of their names:

    - ``priority``: from -100 to 100; higher ones come first
    - ``run_after``, ``expires``: when it may be begun, and after when it is not begun any more; a
      datetime with a time zone, a timedelta, or seconds
    - ``unique``: True, or a key; no second task of the same call, or of that key, is enqueued while
      one has not ended, nor for the seconds ``unique_for`` after that. ``on_duplicate`` says what a
      second call does: "existing" returns the id of the first, "replace" takes the place of one
      that waits, "reject" raises ``AlreadyEnqueued``
    - ``idempotency_key``: for ``idempotency_for`` seconds, a call with that key returns the id of
      the first that had it, which is not enqueued again
    - ``track``: whether it can be found by its id while it waits
    """
    return send_call(func, args, kwargs)


async def aasync_task(func: str | Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Have a function called by a cluster, as ``async_task`` does, from a coroutine."""
    return await sync_to_async(async_task)(func, *args, **kwargs)


async def acancel(
    task_id: str | UUID | None = None,
    *,
    group: str | None = None,
    queue: str | None = None,
    reason: str = "",
    by: str | None = None,
) -> str:
    """Cancel a task, a group or a queue, as ``cancel`` does, from a coroutine."""
    return await sync_to_async(cancel)(task_id, group=group, queue=queue, reason=reason, by=by)


def async_batch(calls: Iterable[Any], **options: Any) -> list[str]:
    """Have many functions called by a cluster, and return the ids of the tasks in their order.

    ``calls`` are ``func``, ``(func, args)`` or ``(func, args, kwargs)``. They are enqueued in one
    round trip, all of them or none. The options are those of ``async_task``, for all of them; the
    keyword arguments of a call may hold options of its own.
    """
    return send_batch(calls, options)


def async_iter(func: str | Callable[..., Any], args_iter: Iterable[Any], **kwargs: Any) -> str:
    """Have a function called with each item, and return the id of the task with all the results.

    That task appears when the last call has ended: its result is the list of their results, in
    the order of the items. Calls that failed have the text of their exception there, and the task
    is no success. An item that is a tuple is passed as several arguments.

    Keyword arguments are those of ``async_task``. ``hook``, ``group``, ``task_name``, ``save``
    and ``cached`` are for the task with all the results: a hook is called once.
    """
    return send_iterable(func, args_iter, kwargs)


def async_chain(
    chain: Iterable[Any],
    group: str | None = None,
    cached: bool | int | None = None,
    sync: bool | None = None,
    broker: Broker | None = None,
    continue_on_failure: bool = False,
    pass_result: bool = False,
    cluster: str | None = None,
    **options: Any,
) -> str:
    """Have functions called one after the other by a cluster, and return the group of their tasks.

    A link is ``func``, ``(func, args)`` or ``(func, args, kwargs)``. A link that fails ends the
    chain, unless ``continue_on_failure``. With ``pass_result`` each link is called with the
    result of the one before as its first argument. Further options are those of ``async_task``.
    """
    settings = {"continue_on_failure": continue_on_failure, "pass_result": pass_result}
    options.update(group=group, cached=cached, sync=sync, broker=broker, cluster=cluster)
    return send_chain(chain, {**options, **settings})


def schedule(
    func: str | Callable[..., Any],
    *args: Any,
    name: str | None = None,
    hook: str | Callable[..., Any] | None = None,
    schedule_type: str | None = None,
    minutes: int | None = None,
    repeats: int | None = None,
    next_run: datetime | None = None,
    cron: str | None = None,
    cluster: str | None = None,
    intended_date_kwarg: str | None = None,
    time_zone: str | None = None,
    catch_up: str | bool | None = None,
    overlap: str | None = None,
    paused: bool | None = None,
    update: bool = False,
    **kwargs: Any,
) -> Schedule:
    """Have a function called at a time, or again and again, and return the saved schedule.

    The type follows from ``cron`` or ``minutes`` where it is not given, and is ``Schedule.ONCE``
    otherwise. Arguments are stored as text: they must be Python literals. ``q_options`` among
    them are options of ``async_task``. Raises ``IntegrityError`` when the name is taken.

    With ``update`` the schedule of that name is brought up to date instead, so that the call can
    stand in code that runs on every deployment. ``next_run`` and ``repeats`` then only count for
    a new schedule and for one whose rule changes (type, minutes, cron or time zone);
    ``time_zone``, ``catch_up``, ``overlap`` and ``paused`` stay as they are unless given.
    """
    fields = {
        "name": name,
        "hook": hook,
        "schedule_type": schedule_type,
        "minutes": minutes,
        "repeats": repeats,
        "next_run": next_run,
        "cron": cron,
        "cluster": cluster,
        "intended_date_kwarg": intended_date_kwarg,
        "time_zone": time_zone,
        "catch_up": catch_up,
        "overlap": overlap,
        "paused": paused,
    }
    return make_schedule(func, args, kwargs, fields, update)


_sync = run_inline


def __getattr__(name: str) -> Any:
    # 'async' is reserved since Python 3.7: this is for getattr(), dotted paths and stored names.
    if name == "async":
        return async_task
    if name == "Async":
        warnings.warn("Async is now AsyncTask", DeprecationWarning, stacklevel=2)
        return AsyncTask
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
