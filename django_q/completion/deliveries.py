"""The deliveries of finished tasks: is the lease still held, acknowledge, release for a retry."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django_q.brokers.base import Broker
from django_q.brokers.contract.kept_state import MAX_STATE_LENGTH, KeptState
from django_q.completion.finished_task import RETRY_PATH, FinishedTask
from django_q.completion.steps import CompletionSteps, call_broker
from django_q.conf import Conf, logger
from django_q.execution.retry_policy import allowed_retries
from django_q.results.rows import column_value, unpickled
from django_q.task_state.attempts import (
    MAX_KEPT_RESULT_LENGTH,
    RESULT_KEY,
    attempts_of,
    make_end,
    sign_attempts,
    with_end,
)
from django_q.task_state.position import sign_position
from django_q.text.error_text import safe_str
from django_q.wire.package import TaskPackage


def with_valid_lease(
    tasks: Sequence[FinishedTask], broker: Broker | None, steps: CompletionSteps
) -> Sequence[FinishedTask]:
    """Leave out the runs whose lease has ended: another run of the task counts."""
    now = time.monotonic()
    doubtful = [t.receipt for t in tasks if t.package.get("leased_until", now) < now]
    doubtful = [receipt for receipt in doubtful if receipt not in steps.acknowledged]
    if broker is None or not doubtful:
        return tasks
    extend = partial(call_broker, broker, broker.extend, doubtful, Conf.RETRY)
    stale = steps.attempt(tasks, "extending the lease", extend)
    if not stale:
        return tasks
    for task in tasks:
        if task.receipt in stale:
            logger.warning(
                "the result of '%s' (%s) is dropped: its lease ended, and another run counts",
                task.func_name,
                task.name,
                extra=task.log_fields,
            )
    return [task for task in tasks if task.receipt not in stale]


def receipts_of(tasks: Sequence[FinishedTask]) -> list[Any]:
    """List the receipts of tasks that were delivered."""
    return [task.receipt for task in tasks if task.receipt is not None]


def acknowledge(
    tasks: Sequence[FinishedTask], broker: Broker | None, steps: CompletionSteps
) -> None:
    """Tell the broker that these deliveries are done."""
    receipts = receipts_of(tasks)
    if broker is not None and receipts:
        step = partial(call_broker, broker, broker.acknowledge_many, receipts)
        steps.attempt(tasks, "acknowledging", step)
        steps.acknowledged.update(receipts)


def release_for_retry(tasks: Sequence[FinishedTask], broker: Broker | None) -> None:
    """Release deliveries of tasks that are run again, those of one delay together.

    How they have ended is kept beside their payloads in the same step.
    """
    by_delay: dict[float, list[FinishedTask]] = defaultdict(list)
    for task in tasks:
        if task.receipt is not None:  # else it runs inline
            by_delay[task.retry_delay].append(task)
    for delay, own in by_delay.items() if broker is not None else ():
        release(own, broker, state_of_retried, delay=delay)


def release_stopped(tasks: Sequence[FinishedTask], broker: Broker | None) -> None:
    """Release deliveries whose tasks were interrupted by a stop, uncounted, to go on elsewhere."""
    if broker is not None and tasks:
        release(tasks, broker, state_of_stopped, count=False)
        for task in tasks:
            names = task.func_name, task.name
            logger.info("'%s' (%s) goes on after the stop", *names, extra=task.log_fields)


def keeps_state(broker: Broker | None) -> bool:
    """Return whether a broker keeps anything beside payloads; one for django-q2 does not say so."""
    return getattr(broker, "keeps_state", False)


def release(
    tasks: Sequence[FinishedTask],
    broker: Broker,
    state_of: Callable[[FinishedTask], KeptState],
    **how: Any,
) -> None:
    """Release deliveries, with what is kept of their tasks where the broker keeps anything."""
    if keeps_state(broker):
        how["states"] = {task.receipt: state_of(task) for task in tasks}
    call_broker(broker, broker.release, receipts_of(tasks), **how)


def state_of_retried(task: FinishedTask) -> KeptState:
    """Make what is kept of a task that is run again: its ends, and how far it had got."""
    package = task.package
    attempts = with_end(attempts_of(package), end_of(package))
    return KeptState(
        sign_attempts(task.id, attempts), kept_position(task.id, package.get("last_position"))
    )


def state_of_stopped(task: FinishedTask) -> KeptState:
    """Make what is kept of a task that was interrupted: how far it has got."""
    return KeptState(position=kept_position(task.id, task.package["stopped_at"]))


def kept_position(task_id: str, position: Any) -> str:
    """Sign how far a task has got; an empty text, which changes nothing, where that is unknown."""
    if type(position) is not dict:
        return ""
    try:
        text = sign_position(task_id, position)
    except (TypeError, ValueError, RecursionError):  # a task's own code has made it
        return ""
    return text if len(text) <= MAX_STATE_LENGTH else ""


def end_of(package: TaskPackage) -> dict[str, Any]:
    """Describe how the attempt has ended that a package tells of."""
    return make_end(package, "" if package["success"] else safe_str(unpickled(package["result"])))


def keep_successes(
    tasks: Sequence[FinishedTask], broker: Broker | None, steps: CompletionSteps
) -> None:
    """Keep beside their payloads that tasks have succeeded which leave no row, and their results.

    What follows, as a hook, may end this process: their functions are not called again then.
    """
    if not keeps_state(broker):
        return
    own = [task for task in tasks if task.has_follow_up and leaves_no_trace(task)]
    if own:
        states = {task.receipt: KeptState(attempts=success_text(task)) for task in own}
        steps.attempt(
            [], "keeping successes", partial(call_broker, broker, broker.keep_state, states)
        )


def leaves_no_trace(task: FinishedTask) -> bool:
    """Return whether only its delivery could tell that a task has succeeded."""
    package = task.package
    return bool(
        package["success"]
        and task.receipt is not None
        and not task.is_cached
        and not task.wants_row
        and "resumed" not in package
    )


def success_text(task: FinishedTask) -> str:
    """Sign the ends of a task, the last of which is a success with its result."""
    result = column_value(task.package["result"])
    if result is not None and len(result) > MAX_KEPT_RESULT_LENGTH:
        result = column_value(f"The result is lost: its {len(result)} characters were not kept.")
    end = {**end_of(task.package), RESULT_KEY: result}
    return sign_attempts(task.id, with_end(attempts_of(task.package), end))


def limit_without_state(packages: Iterable[TaskPackage], broker: Broker | None) -> None:
    """Make ends final where a broker does not keep how many there were, and there are enough.

    There deliveries count. A broker that does not say which delivery it is tries nothing again.
    """
    if broker is None or keeps_state(broker):
        return
    for package in packages:
        if package.get("retry_in") is not None and "ack_id" in package:
            is_retry = package.get("exception") == RETRY_PATH
            knows_attempts = getattr(broker, "redelivers", False)
            allowed = allowed_retries(package, is_retry) if knows_attempts else 0
            if package.get("attempt", 1) > allowed:
                package["retry_in"] = None
