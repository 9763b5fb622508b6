"""Collate iterables: gather the results of their items into one task.

The parts are rows, saved before their deliveries are acknowledged. Who saves the last one makes
the task of the whole; its own deliveries are acknowledged only when all that is done and the
parts are gone, so that after a crash one of them comes again and does it.

The predecessors keep the results of items in the cache. What their clusters have done of an
iterable before ours took over is read from there.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db import Error, router
from django.utils import timezone

from django_q.brokers.base import Broker
from django_q.completion.finished_task import FinishedTask
from django_q.conf import logger
from django_q.exceptions import ItemFailed, StoreUnavailable, contain_error
from django_q.execution.run_details import describe_failure
from django_q.foreign_code.guards import ForeignCall
from django_q.humanhash import humanize
from django_q.models import Part, Task
from django_q.results import parts, saving
from django_q.results.cache import CachedResults
from django_q.task_state.attempts import lost_deliveries
from django_q.text.error_text import error_summary
from django_q.wire.package import TaskPackage

#: Marks in memory an item whose iterable is done, as completing may be repeated.
COLLATED_KEY = "collated"


def collate(items: Sequence[FinishedTask], broker: Broker | None = None) -> list[FinishedTask]:
    """Keep the results of items, and return the iterables of which all results are there now.

    Raises ``StoreUnavailable`` where there is no way to write them.
    """
    if not items:
        return []
    try:
        packages = store_and_collate([item.package for item in items], broker)
        return [
            FinishedTask(package, [item for item in items if item.group == package["id"]])
            for package in packages
        ]
    except StoreUnavailable:
        raise
    except Exception as error:
        parts.check_away(error)
        saving.check_away(error, router.db_for_write(Task))
        raise


def store_and_collate(items: Sequence[TaskPackage], broker: Broker | None) -> list[TaskPackage]:
    """Keep the results of items, and make the packages of the iterables that are complete now."""
    iterables: dict[str, list[TaskPackage]] = defaultdict(list)
    for item in items:
        if COLLATED_KEY not in item:
            iterables[item["group"]].append(item)
    for iterable in [
        iterable for iterable, own in iterables.items() if is_already_collated(iterable, own)
    ]:
        del iterables[iterable]
    parts.add(item for own in iterables.values() for item in own)
    for iterable, own in iterables.items():
        if is_from_predecessor(own[0]):
            parts.add(cached_predecessor_items(iterable, broker))
    ours = [
        (iterable, own) for iterable, own in iterables.items() if claim_if_complete(iterable, own)
    ]
    return [iterable_package_or_failure(iterable, own) for iterable, own in ours]


def is_from_predecessor(item: TaskPackage) -> bool:
    """Whether a predecessor has enqueued an item: it does not number them."""
    return item.get("iter_position") is None


def cached_predecessor_items(iterable: str, broker: Broker | None) -> list[TaskPackage]:
    """Find the items that clusters of a predecessor have done and left in the cache."""
    try:
        return CachedResults.of(broker).packages(iterable)
    except BaseException as error:  # whatever a cache raises that is away, or was taken away
        contain_error(error)
        logger.warning("what the cache may hold of iterable %s is left out: %r", iterable, error)
        return []


def is_already_collated(iterable: str, items: Sequence[TaskPackage]) -> bool:
    """Whether items have come again after their iterable was collated."""
    return has_redelivery(items) and parts.is_collated(iterable)


def claim_if_complete(iterable: str, items: Sequence[TaskPackage]) -> bool:
    """Whether all results of an iterable are there, and these items are to collate them."""
    if parts.parts_of(iterable).count() < items[0]["iter_count"]:
        return False
    runs = [(item["id"], item.get("attempt", 1)) for item in items]
    return parts.claim(iterable, runs, is_redelivered=has_redelivery(items))


def has_redelivery(items: Sequence[TaskPackage]) -> bool:
    """Whether one of these items was delivered before and that was lost: who had it may have died.

    One that was run again because it had failed is none.
    """
    return any(lost_deliveries(item) for item in items)


def iterable_package_or_failure(iterable: str, items: Sequence[TaskPackage]) -> TaskPackage:
    """Make the finished package of an iterable, which somebody may wait for.

    A failure where its results can not be put together.
    """
    try:
        return iterable_package(iterable, items)
    except (Error, StoreUnavailable):
        raise
    except BaseException as error:  # what is unpickled may raise anything
        contain_error(error)
        logger.exception("the results of iterable %s can not be put together", iterable)
        failed = {**iterable_package_base(iterable, items[0]), "success": False, "args": ()}
        failed["result"] = f"The results can not be put together: {error_summary(error)}"
        failed |= {key: items[0][key] for key in ("started", "stopped")}
        failed |= describe_failure(error, failed["func"])
        return failed  # type: ignore[return-value]


def iterable_package(iterable: str, items: Sequence[TaskPackage]) -> TaskPackage:
    """Make the finished package of an iterable from its parts and the options of its items."""
    found = list(parts.parts_of(iterable))
    package = iterable_package_base(iterable, items[0])
    package.update(
        args=[item_argument(part) for part in found],
        result=[parts.read(part.result) for part in found],
        success=all(part.success for part in found),
        started=min(part.started for part in found),
        stopped=max(part.stopped for part in found),
    )
    if not package["success"]:
        package |= describe_failure(ItemFailed(), package["func"])
    if resumed := max(item.get("resumed", 0) for item in items):
        package["resumed"] = resumed
    return package  # type: ignore[return-value]


def iterable_package_base(iterable: str, item: TaskPackage) -> dict[str, Any]:
    """Make the package of an iterable from the options of an item, without its results."""
    inherited = ("func", "kwargs", "hook", "save", "cluster", "chain", "chain_options", "context")
    package: dict[str, Any] = {key: item[key] for key in inherited if key in item}
    package.update(id=iterable, name=item.get("iter_name") or iterable_name(iterable))
    if item.get("iter_group"):
        package["group"] = item["iter_group"]
    if item.get("iter_cached"):
        package["cached"] = item["iter_cached"]
    return package


def iterable_name(iterable: str) -> str:
    """Name an iterable as tasks are named; by its id where that is none of ours."""
    try:
        return humanize(iterable)
    except ValueError:
        return iterable


def item_argument(part: Part) -> Any:
    """Read what an item was: a single argument stands for itself."""
    args = parts.read(part.args)
    return args[0] if len(args) == 1 and not isinstance(args, str) else args


def delete_parts(iterable: FinishedTask, broker: Broker | None = None) -> None:
    """Delete the parts of an iterable that is saved, and whose hook was called."""
    try:
        parts.delete([iterable.id])
    except Exception as error:
        parts.check_away(error)
        raise
    for item in iterable.items:
        item.package[COLLATED_KEY] = True  # type: ignore[typeddict-unknown-key]
    if any(is_from_predecessor(item.package) for item in iterable.items):
        with ForeignCall("the cache"):  # where it is away, no more than litter stays in it
            CachedResults.of(broker).delete_group(iterable.id)
    with contextlib.suppress(Error):  # another monitor does it
        parts.delete_stale_parts(timezone.now())
