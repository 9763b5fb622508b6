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
from django_q.completion.resumption import in_order, is_suspect
from django_q.completion.steps import Steps, ask
from django_q.conf import Conf, logger
from django_q.exceptions import PackageError, Refused, StoreAway, brief, safe_str
from django_q.execution.execution import describe
from django_q.execution.hooks import call_hook_of
from django_q.foreign_code.guards import tell
from django_q.models import Schedule, Task
from django_q.results import cache, saving
from django_q.results.rows import PICKLED, Unreadable, opened
from django_q.results.saving import as_task
from django_q.servers.connections import takes
from django_q.servers.database_errors import is_busy
from django_q.signals import SENDER, post_execute
from django_q.text.printable import paragraph
from django_q.wire.package import TaskPackage, dotted_name, next_link


@dataclass
class Spent:
    """Tasks that ended well, and of which nobody wants more than that."""

    receipts: list[Any]


def is_spent(package: TaskPackage) -> bool:
    """Whether nothing of a finished task is left to do but to acknowledge it."""
    return not (
        saving.is_saved(package)
        or package.get("cached")
        or has_sequel(package)
        or is_item(package)
        or post_execute.receivers
        or logger.isEnabledFor(logging.INFO)
    )


def complete(
    packages: Sequence[TaskPackage],
    broker: Broker | None,
    submit: Callable[[TaskPackage], Any],
    steps: Steps | None = None,
) -> list[TaskPackage]:
    """Save finished tasks, acknowledge them, and do what follows: links, hooks, signals.

    ``submit`` takes the next link of a chain. ``broker`` is None for tasks that ran inline.
    May be repeated as a whole when it raises, with the same ``steps``; where these are tolerant,
    with a single package, what can not be done is passed over. Returns the links that were
    submitted: what they follow is acknowledged, so that nobody will submit them again.

    Raises ``StoreAway`` while there is no way to write to one of the stores.
    """
    links: list[TaskPackage] = []
    steps = steps or Steps()
    packages = still_held(packages, broker, steps)
    final = [package for package in packages if not is_tried_again(package)]
    items = [package for package in final if is_item(package)]
    wholes = steps.attempt(items, "collating", lambda: collation.collect(items, broker)) or []
    collated = {package["id"] for package in wholes}
    # A run that is tried again gets no row: a row says that the task has ended.
    saved = [package for package in final if not is_item(package)] + wholes
    record(saved, [package for package in final if is_done(package, collated)], broker, steps)
    for package in in_order([*final, *wholes]):
        if not is_item(package) and has_sequel(package):
            is_whole = package["id"] in collated
            done = partial(finish_whole if is_whole else finish, package, items, broker, steps)
            links += follow(package, submit, steps, done)
    for package in wholes:
        if not has_sequel(package):
            finish_whole(package, items, broker, steps)
    hand_back([package for package in packages if is_tried_again(package)], broker)
    announce([*packages, *wholes])
    return links


def complete_here(
    packages: Sequence[TaskPackage],
    broker: Broker | None,
    submit: Callable[[TaskPackage], Any],
) -> None:
    """Complete tasks in the process of whoever calls them, who is told of a store's own error."""
    try:
        complete(packages, broker, submit)
    except StoreAway as away:
        raise (away.__cause__ or away) from None


def record(
    saved: Sequence[TaskPackage],
    done: Sequence[TaskPackage],
    broker: Broker | None,
    steps: Steps,
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
                acknowledge(done, broker, Steps())  # it may be rolled back
            steps.acknowledged.update(receipts_of(done))
            return
        except (DatabaseError, InterfaceError, StoreAway) as error:
            logger.debug("results are saved and then acknowledged: %s", brief(error))
    steps.attempt(saved, "saving", lambda: save(saved, broker))
    acknowledge(done, broker, steps)


def is_done(package: TaskPackage, collated: Container[str]) -> bool:
    """Whether nothing is left to do for a saved task, or for the iterable it is an item of."""
    if is_item(package):
        return package["group"] not in collated
    return not has_sequel(package)


def save(packages: Sequence[TaskPackage], broker: Broker | None) -> None:
    """Save finished tasks where each of them wants it."""
    saving.save([package for package in packages if not package.get("cached")])
    for package in packages:
        if package.get("cached"):
            # Nobody waits in the process of a caller, where tasks have no receipts.
            cache.save(package, broker, waits="ack_id" in package)


def amend(package: TaskPackage, broker: Broker | None, steps: Steps) -> None:
    """Have the row of a task name what could not be done after it."""
    if package.get("cached"):
        cache.save(package, broker)
    else:
        steps.attempt([], "noting that in the row", lambda: saving.amend(package))


def still_held(
    packages: Sequence[TaskPackage], broker: Broker | None, steps: Steps
) -> Sequence[TaskPackage]:
    """Leave out the runs whose lease may have passed to another, which counts instead."""
    now = time.monotonic()
    doubtful = [p["ack_id"] for p in packages if p.get("leased_until", now) < now]
    doubtful = [receipt for receipt in doubtful if receipt not in steps.acknowledged]
    if broker is None or not doubtful:
        return packages
    stale = steps.attempt(
        packages, "extending the lease", lambda: ask(broker, broker.extend, doubtful, Conf.RETRY)
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


def has_sequel(package: TaskPackage) -> bool:
    """Whether more than a signal follows from a task's end."""
    return bool(package.get("hook") or package.get("chain") or package.get("schedule"))


def receipts_of(packages: Sequence[TaskPackage]) -> list[Any]:
    """List the receipts of deliveries."""
    return [package["ack_id"] for package in packages if "ack_id" in package]


def acknowledge(packages: Sequence[TaskPackage], broker: Broker | None, steps: Steps) -> None:
    """Tell the broker that these deliveries are done."""
    receipts = receipts_of(packages)
    if broker is not None and receipts:
        step = partial(ask, broker, broker.acknowledge_many, receipts)
        steps.attempt(packages, "acknowledging", step)
        steps.acknowledged.update(receipts)


def hand_back(packages: Sequence[TaskPackage], broker: Broker | None) -> None:
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
            ask(broker, broker.release, receipts, delay=delay)


def finish(
    package: TaskPackage, items: Sequence[TaskPackage], broker: Broker | None, steps: Steps
) -> None:
    """Acknowledge a task, whose row says what could not be done after it."""
    if package.get("undone"):
        amend(package, broker, steps)
    acknowledge([package], broker, steps)


def finish_whole(
    whole: TaskPackage, items: Sequence[TaskPackage], broker: Broker | None, steps: Steps
) -> None:
    """Acknowledge an iterable, which is to acknowledge its items."""
    if whole.get("undone"):
        amend(whole, broker, steps)
    own = [item for item in items if item["group"] == whole["id"]]
    steps.attempt([], "clearing up", lambda: collation.forget([whole], own, broker))
    acknowledge(own, broker, steps)


def follow(
    package: TaskPackage,
    submit: Callable[[TaskPackage], Any],
    steps: Steps,
    done: Callable[[], None] = lambda: None,
) -> list[TaskPackage]:
    """Tell the schedule of the end, submit the next link of a chain, and call the hook.

    ``done`` acknowledges the task: after its hook, unless that has ended a process before.
    Returns the links that were submitted.
    """
    if package.get("schedule"):
        steps.once(package, "telling the schedule", lambda: tell_schedule(package))
    links = steps.once(package, "the next link", lambda: go_on(package, submit, steps)) or []
    hook = partial(steps.once, package, "the hook", partial(call_hook, package))
    for step in (done, hook) if is_suspect(package) else (hook, done):
        step()
    return links


def tell_schedule(package: TaskPackage) -> None:
    """Note in a schedule that its task has ended."""
    alias = router.db_for_write(Schedule)
    rows = Schedule.objects.using(alias)
    try:
        rows.filter(pk=package["schedule"]).update(ended=package["id"])
    except Exception as error:
        if is_busy(error) or not takes(alias, lambda: rows.filter(pk=-1).update(ended=None)):
            raise StoreAway(f"the table of schedules in '{alias}'") from error
        raise


def go_on(
    package: TaskPackage, submit: Callable[[TaskPackage], Any], steps: Steps
) -> list[TaskPackage]:
    """Submit the next link of a chain. Returns the links that were submitted."""
    chain = opened(package.get("chain"))
    if isinstance(chain, Unreadable):
        func, name = dotted_name(package["func"]), package["name"]
        logger.error("the chain behind '%s' (%s) has ended: %s", func, name, chain)
    elif chain and (link := next_link({**package, "chain": chain}, opened(package["result"]))):
        return pass_on(link, submit, steps)
    return []


def call_hook(package: TaskPackage) -> None:
    """Call the hook of a task, if it has one."""
    hook = opened(package.get("hook"))
    if hook:
        task = partial(as_task, {**package, "hook": hook})
        call_hook_of(hook, package["name"], package["id"], task)


def pass_on(
    link: TaskPackage, submit: Callable[[TaskPackage], Any], steps: Steps
) -> list[TaskPackage]:
    """Submit a link; one that can not be sent, as for its size, has failed and holds up no other.

    Returns the links that were submitted.
    """
    try:
        submit(link)
    except (PackageError, Refused) as error:
        outcome = {"success": False, "result": describe(error), "stopped": timezone.now()}
        if isinstance(error, PackageError):  # the arguments can be what does not travel
            outcome |= {"args": None, "kwargs": None}  # they were lost, and are not none
        failed: TaskPackage = {**link, **outcome}  # type: ignore
        save([failed], None)
        announce([failed])
        return follow(failed, submit, steps)
    return [link]


def announce(packages: Sequence[TaskPackage]) -> None:
    """Send the signal and write the log line of each task."""
    listened = post_execute.has_listeners(SENDER)
    verbose = logger.isEnabledFor(logging.INFO)
    for package in packages:
        if listened:
            send_finished(package)
        if not package["success"]:
            logger.error(
                "Failed '%s' (%s)%s - %s",
                dotted_name(package["func"]),
                package["name"],
                ", to be tried again" if is_tried_again(package) else "",
                paragraph(safe_str(opened(package["result"]))),
            )
        elif verbose:
            logger.info("Processed '%s' (%s)", dotted_name(package["func"]), package["name"])


def send_finished(package: TaskPackage) -> None:
    """Send ``post_execute``; what receivers raise is theirs and is logged."""
    task = {**package, **{key: opened(package[key]) for key in PICKLED}}
    tell(post_execute, "post_execute", package["name"], package["id"], sender=SENDER, task=task)
