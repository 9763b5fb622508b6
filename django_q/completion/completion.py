"""Complete tasks: save how they ended, acknowledge, go on to what follows from them.

The order is what keeps tasks from being lost: nothing is acknowledged before it is saved, and
what a package asks for afterwards (the next link of its chain, its hook) comes before it is
acknowledged too. A crash in between repeats, and loses nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import DatabaseError, InterfaceError, router, transaction
from django.utils import timezone

from django_q.brokers.base import Broker
from django_q.completion import collation
from django_q.completion.collation import is_item
from django_q.completion.resumption import crash_suspects_last, has_suspect_hook
from django_q.completion.steps import CompletionSteps, call_broker
from django_q.conf import Conf, logger
from django_q.exceptions import (
    EnqueueRefused,
    PackageError,
    StoreUnavailable,
    error_summary,
    safe_str,
)
from django_q.execution.execution import failure_text
from django_q.execution.hooks import call_hook_lazily
from django_q.foreign_code.guards import send_signal_safely
from django_q.models import Schedule, Task
from django_q.results import cache, saving
from django_q.results.rows import PICKLED_COLUMNS, UnreadableValue, unpickled
from django_q.results.saving import as_task
from django_q.servers.connections import takes_writes
from django_q.servers.database_errors import is_busy
from django_q.signals import SENDER, post_execute
from django_q.text.printable import printable_paragraph
from django_q.wire.package import TaskPackage, dotted_name, next_link


@dataclass
class DoneReceipts:
    """Tasks that ended well, and of which nobody wants more than that."""

    receipts: list[Any]


def needs_only_acknowledging(package: TaskPackage) -> bool:
    """Whether nothing of a finished task is left to do but to acknowledge it."""
    return not (
        saving.is_saved(package)
        or package.get("cached")
        or has_follow_up(package)
        or is_item(package)
        or post_execute.receivers
        or logger.isEnabledFor(logging.INFO)
    )


def complete(
    packages: Sequence[TaskPackage],
    broker: Broker | None,
    submit: Callable[[TaskPackage], Any],
    steps: CompletionSteps | None = None,
) -> list[TaskPackage]:
    """Save finished tasks, acknowledge them, and do what follows: links, hooks, signals.

    ``submit`` takes the next link of a chain. ``broker`` is None for tasks that ran inline.
    May be repeated as a whole when it raises, with the same ``steps``; where these are tolerant,
    with a single package, what can not be done is passed over. Returns the links that were
    submitted: what they follow is acknowledged, so that nobody will submit them again.

    Raises ``StoreUnavailable`` while there is no way to write to one of the stores.
    """
    links: list[TaskPackage] = []
    steps = steps or CompletionSteps()
    packages = with_valid_lease(packages, broker, steps)
    final = [package for package in packages if not is_tried_again(package)]
    items = [package for package in final if is_item(package)]
    collated_packages = (
        steps.attempt(items, "collating", lambda: collation.collate(items, broker)) or []
    )
    collated = {package["id"] for package in collated_packages}
    # A run that is tried again gets no row: a row says that the task has ended.
    saved = [package for package in final if not is_item(package)] + collated_packages
    save_and_acknowledge(
        saved, [package for package in final if is_done(package, collated)], broker, steps
    )
    for package in crash_suspects_last([*final, *collated_packages]):
        if not is_item(package) and has_follow_up(package):
            is_whole = package["id"] in collated
            done = partial(finish_iterable if is_whole else finish, package, items, broker, steps)
            links += run_follow_ups(package, submit, steps, done)
    for package in collated_packages:
        if not has_follow_up(package):
            finish_iterable(package, items, broker, steps)
    release_for_retry([package for package in packages if is_tried_again(package)], broker)
    send_signals_and_log([*packages, *collated_packages])
    return links


def complete_here(
    packages: Sequence[TaskPackage],
    broker: Broker | None,
    submit: Callable[[TaskPackage], Any],
) -> None:
    """Complete tasks in the process of whoever calls them, who is told of a store's own error."""
    try:
        complete(packages, broker, submit)
    except StoreUnavailable as away:
        raise (away.__cause__ or away) from None


def save_and_acknowledge(
    saved: Sequence[TaskPackage],
    done: Sequence[TaskPackage],
    broker: Broker | None,
    steps: CompletionSteps,
) -> None:
    """Save and acknowledge in one transaction, where results and queue share a database.

    A crash can not come in between then, and a commit is saved. Where that fails it is done in
    several: a server may hang up at a row that it refuses.
    """
    alias = router.db_for_write(Task)
    if broker is not None and getattr(broker, "alias", None) == alias:
        try:
            with transaction.atomic(using=alias):
                save(saved, broker)
                acknowledge(done, broker, CompletionSteps())  # it may be rolled back
            steps.acknowledged.update(receipts_of(done))
            return
        except (DatabaseError, InterfaceError, StoreUnavailable) as error:
            logger.debug("results are saved and then acknowledged: %s", error_summary(error))
    steps.attempt(saved, "saving", lambda: save(saved, broker))
    acknowledge(done, broker, steps)


def is_done(package: TaskPackage, collated: Container[str]) -> bool:
    """Whether nothing is left to do for a saved task, or for the iterable it is an item of."""
    if is_item(package):
        return package["group"] not in collated
    return not has_follow_up(package)


def save(packages: Sequence[TaskPackage], broker: Broker | None) -> None:
    """Save finished tasks where each of them wants it."""
    saving.save([package for package in packages if not package.get("cached")])
    for package in packages:
        if package.get("cached"):
            # Nobody waits in the process of a caller, where tasks have no receipts.
            cache.save(package, broker, waits="ack_id" in package)


def save_undone(package: TaskPackage, broker: Broker | None, steps: CompletionSteps) -> None:
    """Have the row of a task name what could not be done after it."""
    if package.get("cached"):
        cache.save(package, broker)
    else:
        steps.attempt([], "noting that in the row", lambda: saving.update_undone(package))


def with_valid_lease(
    packages: Sequence[TaskPackage], broker: Broker | None, steps: CompletionSteps
) -> Sequence[TaskPackage]:
    """Leave out the runs whose lease may have passed to another, which counts instead."""
    now = time.monotonic()
    doubtful = [p["ack_id"] for p in packages if p.get("leased_until", now) < now]
    doubtful = [receipt for receipt in doubtful if receipt not in steps.acknowledged]
    if broker is None or not doubtful:
        return packages
    stale = steps.attempt(
        packages,
        "extending the lease",
        lambda: call_broker(broker, broker.extend, doubtful, Conf.RETRY),
    )
    if not stale:
        return packages
    for package in packages:
        if package.get("ack_id") in stale:
            logger.warning(
                "the result of '%s' (%s) is dropped: its lease ended, and another run counts",
                dotted_name(package["func"]),
                package["name"],
            )
    return [package for package in packages if package.get("ack_id") not in stale]


def max_attempts(package: TaskPackage) -> int:
    """How often a task may be delivered; 0 is without limit."""
    return package.get("max_attempts") or Conf.MAX_ATTEMPTS


def is_tried_again(package: TaskPackage) -> bool:
    """Whether a failed task is delivered again, which happens only where someone asked."""
    if package["success"] or "ack_id" not in package:
        return False
    if package.get("handed_back"):
        return True
    limit = max_attempts(package)
    asked = limit > 1 or not package.get("ack_failure", Conf.ACK_FAILURES)
    return asked and (limit == 0 or package.get("attempt", 1) < limit)


def has_follow_up(package: TaskPackage) -> bool:
    """Whether more than a signal follows from a task's end."""
    return bool(package.get("hook") or package.get("chain") or package.get("schedule"))


def receipts_of(packages: Sequence[TaskPackage]) -> list[Any]:
    """List the receipts of deliveries."""
    return [package["ack_id"] for package in packages if "ack_id" in package]


def acknowledge(
    packages: Sequence[TaskPackage], broker: Broker | None, steps: CompletionSteps
) -> None:
    """Tell the broker that these deliveries are done."""
    receipts = receipts_of(packages)
    if broker is not None and receipts:
        step = partial(call_broker, broker, broker.acknowledge_many, receipts)
        steps.attempt(packages, "acknowledging", step)
        steps.acknowledged.update(receipts)


def release_for_retry(packages: Sequence[TaskPackage], broker: Broker | None) -> None:
    """Give deliveries back: those of a crash now, those of a failure after ``retry`` seconds."""
    if broker is None:
        return
    for delay in (0, Conf.RETRY):
        receipts = [
            package["ack_id"]
            for package in packages
            if bool(package.get("handed_back")) is (delay == 0)
        ]
        if receipts:
            call_broker(broker, broker.release, receipts, delay=delay)


def finish(
    package: TaskPackage,
    items: Sequence[TaskPackage],
    broker: Broker | None,
    steps: CompletionSteps,
) -> None:
    """Acknowledge a task, whose row says what could not be done after it."""
    if package.get("undone"):
        save_undone(package, broker, steps)
    acknowledge([package], broker, steps)


def finish_iterable(
    iterable: TaskPackage,
    items: Sequence[TaskPackage],
    broker: Broker | None,
    steps: CompletionSteps,
) -> None:
    """Acknowledge an iterable, which is to acknowledge its items."""
    if iterable.get("undone"):
        save_undone(iterable, broker, steps)
    own = [item for item in items if item["group"] == iterable["id"]]
    steps.attempt([], "clearing up", lambda: collation.delete_parts([iterable], own, broker))
    acknowledge(own, broker, steps)


def run_follow_ups(
    package: TaskPackage,
    submit: Callable[[TaskPackage], Any],
    steps: CompletionSteps,
    done: Callable[[], None] = lambda: None,
) -> list[TaskPackage]:
    """Tell the schedule of the end, submit the next link of a chain, and call the hook.

    ``done`` acknowledges the task: after its hook, unless that has ended a process before.
    Returns the links that were submitted.
    """
    if package.get("schedule"):
        steps.once(package, "telling the schedule", lambda: record_end_in_schedule(package))
    links = (
        steps.once(package, "the next link", lambda: submit_next_link(package, submit, steps)) or []
    )
    hook = partial(steps.once, package, "the hook", partial(call_package_hook, package))
    for step in (done, hook) if has_suspect_hook(package) else (hook, done):
        step()
    return links


def record_end_in_schedule(package: TaskPackage) -> None:
    """Note in a schedule that its task has ended."""
    alias = router.db_for_write(Schedule)
    rows = Schedule.objects.using(alias)
    try:
        rows.filter(pk=package["schedule"]).update(ended=package["id"])
    except Exception as error:
        if is_busy(error) or not takes_writes(alias, lambda: rows.filter(pk=-1).update(ended=None)):
            raise StoreUnavailable(f"the table of schedules in '{alias}'") from error
        raise


def submit_next_link(
    package: TaskPackage, submit: Callable[[TaskPackage], Any], steps: CompletionSteps
) -> list[TaskPackage]:
    """Submit the next link of a chain. Returns the links that were submitted."""
    chain = unpickled(package.get("chain"))
    if isinstance(chain, UnreadableValue):
        func, name = dotted_name(package["func"]), package["name"]
        logger.error("the chain behind '%s' (%s) has ended: %s", func, name, chain)
    elif chain and (link := next_link({**package, "chain": chain}, unpickled(package["result"]))):
        return submit_link(link, submit, steps)
    return []


def call_package_hook(package: TaskPackage) -> None:
    """Call the hook of a task, if it has one."""
    hook = unpickled(package.get("hook"))
    if hook:
        task = partial(as_task, {**package, "hook": hook})
        call_hook_lazily(hook, package["name"], package["id"], task)


def submit_link(
    link: TaskPackage, submit: Callable[[TaskPackage], Any], steps: CompletionSteps
) -> list[TaskPackage]:
    """Submit a link; one that can not be sent, as for its size, has failed and holds up no other.

    Returns the links that were submitted.
    """
    try:
        submit(link)
    except (PackageError, EnqueueRefused) as error:
        outcome = {"success": False, "result": failure_text(error), "stopped": timezone.now()}
        if isinstance(error, PackageError):  # the arguments can be what does not travel
            outcome |= {"args": None, "kwargs": None}  # they were lost, and are not none
        failed: TaskPackage = {**link, **outcome}  # type: ignore
        save([failed], None)
        send_signals_and_log([failed])
        return run_follow_ups(failed, submit, steps)
    return [link]


def send_signals_and_log(packages: Sequence[TaskPackage]) -> None:
    """Send the signal and write the log line of each task."""
    listened = post_execute.has_listeners(SENDER)
    verbose = logger.isEnabledFor(logging.INFO)
    for package in packages:
        if listened:
            send_post_execute(package)
        if not package["success"]:
            logger.error(
                "Failed '%s' (%s)%s - %s",
                dotted_name(package["func"]),
                package["name"],
                ", to be tried again" if is_tried_again(package) else "",
                printable_paragraph(safe_str(unpickled(package["result"]))),
            )
        elif verbose:
            logger.info("Processed '%s' (%s)", dotted_name(package["func"]), package["name"])


def send_post_execute(package: TaskPackage) -> None:
    """Send ``post_execute``; what receivers raise is theirs and is logged."""
    task = {**package, **{key: unpickled(package[key]) for key in PICKLED_COLUMNS}}
    send_signal_safely(
        post_execute, "post_execute", package["name"], package["id"], sender=SENDER, task=task
    )
