"""What follows from the end of a task: a note in its schedule, the next link, its hook."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import router
from django.utils import timezone

from django_q.caller_context.travel import enter_caller_context
from django_q.completion.finished_task import FinishedTask
from django_q.completion.recording import save, send_signals_and_log
from django_q.completion.resumption import has_suspect_hook
from django_q.completion.steps import CompletionSteps
from django_q.conf import logger
from django_q.exceptions import (
    AlreadyEnqueued,
    EnqueueRefused,
    PackageError,
    StoreUnavailable,
)
from django_q.execution.execution import failure_text
from django_q.execution.run_details import describe_failure
from django_q.hooks import call_hook_lazily
from django_q.models import Schedule
from django_q.results.rows import UnreadableValue, unpickled
from django_q.results.saving import as_task
from django_q.servers.database_errors import is_outage
from django_q.wire.package import TaskPackage, next_link
from django_q.wire.queue_options import without_contradictions


def run_follow_ups(
    task: FinishedTask,
    submit: Callable[[TaskPackage], Any],
    steps: CompletionSteps,
    finish: Callable[[], None] = lambda: None,
) -> list[TaskPackage]:
    """Note the end in the schedule, submit the next link of a chain, and call the hook.

    ``finish`` acknowledges the task: after its hook, unless that has ended a process before.
    Returns the links that were submitted.
    """
    if task.package.get("schedule"):
        steps.once(task, "telling the schedule", partial(record_end_in_schedule, task))
    links = steps.once(task, "the next link", partial(submit_next_link, task, submit, steps)) or []
    call_hook = partial(steps.once, task, "the hook", partial(call_task_hook, task))
    for step in (finish, call_hook) if has_suspect_hook(task) else (call_hook, finish):
        step()
    return links


def record_end_in_schedule(task: FinishedTask) -> None:
    """Note in a schedule that its task has ended.

    Raises ``StoreUnavailable`` where the table of schedules takes no changes.
    """
    alias = router.db_for_write(Schedule)
    rows = Schedule.objects.using(alias)
    try:
        rows.filter(pk=task.package["schedule"]).update(ended=task.id)
    except Exception as error:
        if is_outage(error, alias, lambda: rows.filter(pk=-1).update(ended=None)):
            raise StoreUnavailable(f"the table of schedules in '{alias}'") from error
        raise


def submit_next_link(
    task: FinishedTask, submit: Callable[[TaskPackage], Any], steps: CompletionSteps
) -> list[TaskPackage]:
    """Submit the next link of a chain. Returns the links that were submitted."""
    package = task.package
    chain = unpickled(package.get("chain"))
    if isinstance(chain, UnreadableValue):
        names = task.func_name, task.name
        text = "the chain behind '%s' (%s) has ended: %s"
        logger.error(text, *names, chain, extra=task.log_fields)
    elif chain and (link := next_link({**package, "chain": chain}, unpickled(package["result"]))):
        return submit_link(without_contradictions(link, package), submit, steps)
    return []


def call_task_hook(task: FinishedTask) -> None:
    """Call the hook of a task, if it has one."""
    hook = unpickled(task.package.get("hook"))
    if hook:
        make_row = partial(as_task, {**task.package, "hook": hook})
        context = task.package.get("context")
        enter = partial(enter_caller_context, context) if context else None
        call_hook_lazily(hook, task.name, task.id, make_row, enter)


def submit_link(
    link: TaskPackage, submit: Callable[[TaskPackage], Any], steps: CompletionSteps
) -> list[TaskPackage]:
    """Submit a link; one that can not be sent, as for its size, is recorded as a failure.

    Returns the links that were submitted.
    """
    try:
        submit(link)
    except (PackageError, EnqueueRefused, AlreadyEnqueued) as error:
        outcome = {"success": False, "result": failure_text(error), "stopped": timezone.now()}
        outcome |= describe_failure(error, link["func"])
        if isinstance(error, PackageError):  # the arguments can be what does not travel
            outcome |= {"args": None, "kwargs": None}  # they were lost, and are not none
        failed = FinishedTask({**link, **outcome})  # type: ignore[typeddict-item]
        save([failed], None)
        send_signals_and_log([failed])
        return run_follow_ups(failed, submit, steps)
    return [link]
