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
from django_q.conf import Conf, logger
from django_q.exceptions import PackageError, Refused, brief, safe_str
from django_q.foreign import tell
from django_q.lifecycle import collation
from django_q.lifecycle.collation import is_item
from django_q.lifecycle.execution import describe
from django_q.lifecycle.hooks import call_hook_of
from django_q.lifecycle.resumption import in_order, is_given_up, is_suspect
from django_q.models import Schedule, Task
from django_q.package import TaskPackage, dotted_name, next_link
from django_q.printable import paragraph
from django_q.results import cache, saving
from django_q.results.rows import PICKLED, Unreadable, opened
from django_q.results.saving import as_task
from django_q.signals import SENDER, post_execute


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
) -> list[TaskPackage]:
    """Save finished tasks, acknowledge them, and do what follows: links, hooks, signals.

    ``submit`` takes the next link of a chain. ``broker`` is None for tasks that ran inline.
    May be repeated as a whole when it raises. Returns the links that were submitted: what they
    follow is acknowledged, so that nobody will submit them again.
    """
    links: list[TaskPackage] = []
    packages = still_held(packages, broker)
    final = [package for package in packages if not is_tried_again(package)]
    items = [package for package in final if is_item(package)]
    wholes = collation.collect(items, broker)
    collated = {package["id"] for package in wholes}
    # A run that is tried again gets no row: a row says that the task has ended.
    saved = [package for package in final if not is_item(package)] + wholes
    record(saved, [package for package in final if is_done(package, collated)], broker)
    for package in in_order([*final, *wholes]):
        if not is_item(package) and has_sequel(package):
            is_whole = package["id"] in collated
            done = partial(finish_whole if is_whole else finish, package, items, broker)
            links += follow(package, submit, done)
    for package in wholes:
        if not has_sequel(package):
            finish_whole(package, items, broker)
    hand_back([package for package in packages if is_tried_again(package)], broker)
    announce([*packages, *wholes])
    return links


def record(
    saved: Sequence[TaskPackage], done: Sequence[TaskPackage], broker: Broker | None
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
                acknowledge(done, broker)
            return
        except (DatabaseError, InterfaceError) as error:
            logger.debug("results are saved and then acknowledged: %s", brief(error))
    save(saved, broker)
    acknowledge(done, broker)


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
            cache.save(package, broker)


def still_held(packages: Sequence[TaskPackage], broker: Broker | None) -> Sequence[TaskPackage]:
    """Leave out the runs whose lease may have passed to another, which counts instead."""
    now = time.monotonic()
    doubtful = [p["ack_id"] for p in packages if p.get("leased_until", now) < now]
    if broker is None or not doubtful:
        return packages
    stale = broker.extend(doubtful, Conf.RETRY)
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


def acknowledge(packages: Sequence[TaskPackage], broker: Broker | None) -> None:
    """Tell the broker that these deliveries are done."""
    receipts = [package["ack_id"] for package in packages if "ack_id" in package]
    if broker is not None and receipts:
        broker.acknowledge_many(receipts)


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
            broker.release(receipts, delay=delay)


def finish(package: TaskPackage, items: Sequence[TaskPackage], broker: Broker | None) -> None:
    """Acknowledge a task."""
    acknowledge([package], broker)


def finish_whole(whole: TaskPackage, items: Sequence[TaskPackage], broker: Broker | None) -> None:
    """Acknowledge an iterable, which is to acknowledge its items."""
    own = [item for item in items if item["group"] == whole["id"]]
    collation.forget([whole], own, broker)
    acknowledge(own, broker)


def follow(
    package: TaskPackage,
    submit: Callable[[TaskPackage], Any],
    done: Callable[[], None] = lambda: None,
) -> list[TaskPackage]:
    """Tell the schedule of the end, submit the next link of a chain, and call the hook.

    ``done`` acknowledges the task: after its hook, unless that has ended a process before.
    Returns the links that were submitted.
    """
    links: list[TaskPackage] = []
    if schedule := package.get("schedule"):
        rows = Schedule.objects.using(router.db_for_write(Schedule))
        rows.filter(pk=schedule).update(ended=package["id"])
    chain = opened(package.get("chain"))
    if isinstance(chain, Unreadable):
        func, name = dotted_name(package["func"]), package["name"]
        logger.error("the chain behind '%s' (%s) has ended: %s", func, name, chain)
    elif chain and (link := next_link({**package, "chain": chain}, opened(package["result"]))):
        links += pass_on(link, submit)
    steps = (partial(call_hook, package), done)
    for step in reversed(steps) if is_suspect(package) else steps:
        step()
    return links


def call_hook(package: TaskPackage) -> None:
    """Call the hook of a task, if it has one."""
    hook = opened(package.get("hook"))
    if hook and not is_given_up(package):
        task = partial(as_task, {**package, "hook": hook})
        call_hook_of(hook, package["name"], package["id"], task)


def pass_on(link: TaskPackage, submit: Callable[[TaskPackage], Any]) -> list[TaskPackage]:
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
        return follow(failed, submit)
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
