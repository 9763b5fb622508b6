"""Enqueue tasks with terms, and decide what becomes of those whose key another task has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.db import router

from django_q.brokers.adapter import BrokerAdapter
from django_q.brokers.base import Broker
from django_q.brokers.terms import BROKER_OPTIONS, Enqueued, Terms
from django_q.calls.payloads import (
    signed_again,
    terms_of,
    wanted_options,
    when_duplicate,
)
from django_q.conf import Conf, logger
from django_q.exceptions import AlreadyEnqueued, UnsupportedOption
from django_q.humanhash import humanize
from django_q.models import Task
from django_q.outbox.outage import outage_of
from django_q.text.function_names import dotted_name
from django_q.wire.option_types import REJECT, shown
from django_q.wire.package import TaskPackage, link_id

#: How often a task that waits is tried to be replaced, while others replace or take it.
MAX_REPLACE_ATTEMPTS = 100
#: How often an id is tried to be enqueued, while the tasks that have its key come and go.
MAX_ONCE_ATTEMPTS = 5


class Outcome(NamedTuple):
    """What became of a call whose task was to be enqueued."""

    #: The id of the task that stands for it.
    task_id: str
    #: Whether that task makes this call; False where it is one that was there before.
    makes_call: bool


class TermedTask(NamedTuple):
    """A task that is ready to be enqueued with terms."""

    package: TaskPackage
    payload: str
    terms: Terms

    @property
    def key(self) -> str:
        """The digest of its unique or its idempotency key; it has one of them at most."""
        return self.terms.unique or self.terms.idempotency


#: Enqueues tasks with terms; what became of each.
AddTasks = Callable[[Sequence[TermedTask], Broker], list[Enqueued]]


def served_options(broker: Any) -> frozenset[str]:
    """Return the options that a broker serves; none if it was written for a predecessor."""
    return getattr(broker, "serves", frozenset())


def broker_name(broker: Any) -> str:
    """Return the name of a broker's class; that of the one which an adapter was made for."""
    return type(broker.broker if isinstance(broker, BrokerAdapter) else broker).__name__


def check_served(packages: Iterable[TaskPackage], broker: Any) -> None:
    """Raise ``UnsupportedOption`` if a broker does not serve an option of some packages."""
    served = served_options(broker)
    for package in () if served >= BROKER_OPTIONS else packages:
        if missing := sorted(wanted_options(package) - served):
            raise UnsupportedOption(
                f"The broker {broker_name(broker)} does not serve the option '{missing[0]}', "
                f"with which '{dotted_name(package['func'])}' is called. Leave it out, or use "
                "Redis or a database for this queue."
            )


def with_terms(packages: Sequence[TaskPackage], payloads: Iterable[str]) -> list[TermedTask]:
    """Make the terms of packages."""
    return [
        TermedTask(package, payload, terms_of(package))
        for package, payload in zip(packages, payloads, strict=True)
    ]


def add_tasks(tasks: Sequence[TermedTask], broker: Broker) -> list[Enqueued]:
    """Enqueue tasks in one round trip."""
    if len(tasks) == 1:
        return [broker.enqueue_task(tasks[0].payload, tasks[0].terms)]
    return broker.enqueue_tasks([(task.payload, task.terms) for task in tasks])


def enqueue(tasks: Sequence[TermedTask], broker: Broker) -> list[Outcome]:
    """Enqueue tasks; with "replace" they take the place of those that wait."""
    return outcomes(tasks, add_tasks(tasks, broker), broker)


def outcomes(
    tasks: Sequence[TermedTask], found: Sequence[Enqueued], broker: Broker
) -> list[Outcome]:
    """Put tasks in the place of those that were found, where that is asked for."""
    return [replace_waiting(task, each, broker) for task, each in zip(tasks, found, strict=True)]


def replace_waiting(task: TermedTask, found: Enqueued, broker: Broker) -> Outcome:
    """Put a task in the place of the one that was found, if that waits and it is asked for.

    Raises ``AlreadyEnqueued`` where others were faster each time.
    """
    if found.is_new:
        return Outcome(found.task_id, True)
    for _ in range(MAX_REPLACE_ATTEMPTS):
        if found.is_new or found.version is None or not task.terms.is_successor:
            return Outcome(found.task_id, found.is_new)
        payload = signed_again(with_id(task.package, found.task_id))
        terms = task.terms._replace(task_id=found.task_id)
        if broker.replace_task(found.version, payload, terms):
            return Outcome(found.task_id, True)
        found = broker.enqueue_task(task.payload, task.terms)
    raise already_enqueued(task.package, found.task_id, "it changed whenever it was to be replaced")


def with_id(package: TaskPackage, task_id: str) -> TaskPackage:
    """Return a package with another id, and the name that belongs to it unless one was given."""
    name = package["name"]
    if name == humanize(package["id"]):
        name = humanize(task_id)
    return {**package, "id": task_id, "name": name}


def enqueue_or_refuse(
    tasks: Sequence[TermedTask], broker: Broker, add: AddTasks = add_tasks
) -> list[str]:
    """Enqueue the tasks of a call, and return the ids of those that stand for them.

    Raises ``AlreadyEnqueued`` for ``on_duplicate="reject"``. Of a batch, nothing is enqueued then
    unless another process enqueues a task of that key at the same time.
    """
    if len(tasks) > 1:
        check_rejected(tasks, broker)
    added = add(tasks, broker)
    new_ids = [each.task_id for each in added if each.is_new]
    if len(new_ids) == len(tasks):  # nothing is to be decided, as for most calls
        return new_ids
    found = outcomes(tasks, added, broker)
    for task, each in zip(tasks, found, strict=True):
        if not each.makes_call and when_duplicate(task.package) == REJECT:
            raise already_enqueued(task.package, each.task_id)
    return [each.task_id for each in found]


def check_rejected(tasks: Sequence[TermedTask], broker: Broker) -> None:
    """Raise ``AlreadyEnqueued`` if a task that is to be rejected has a key that is taken."""
    earlier: dict[str, str] = {}
    for task in tasks:
        if when_duplicate(task.package) == REJECT:
            found = find_duplicate(task, broker)
            if other := found.task_id if found else earlier.get(task.key):
                raise already_enqueued(task.package, other)
        if task.key:
            earlier.setdefault(task.key, task.terms.task_id)


def find_duplicate(task: TermedTask, broker: Broker) -> Enqueued | None:
    """Find the task that has the key of another one.

    None, too, while the broker is away if there is an outbox: that is found out at the push.
    """
    if not Conf.OUTBOX:
        return broker.find_duplicate(task.terms)
    outage = outage_of(broker.list_key)
    if outage.is_paused():
        return None
    try:
        return broker.find_duplicate(task.terms)
    except Exception as error:
        if not broker.is_away(error):
            raise
        outage.begin(error, broker)
        return None


def already_enqueued(
    package: TaskPackage, other_id: str, why: str = "on_duplicate is 'reject'"
) -> AlreadyEnqueued:
    """Make the error of a call whose unique key another task has."""
    key = shown(package.get("unique"))
    return AlreadyEnqueued(
        f"'{dotted_name(package['func'])}' is not enqueued: task {other_id} has its unique key "
        f"({key}), and {why}. Call it again when that has ended, or set another on_duplicate.",
        other_id,
    )


def enqueue_once(task: TermedTask, broker: Broker) -> Outcome:
    """Enqueue a task unless its id was enqueued before."""
    own_id, terms = task.terms.task_id, task.terms
    for _ in range(MAX_ONCE_ATTEMPTS if task.key else 1):
        if broker.enqueue_once(task.payload, own_id, terms):
            return Outcome(own_id, True)
        found = broker.find_duplicate(task.terms) if task.key else None
        if (found and found.task_id == own_id) or has_row(own_id):
            break
        if found is None:  # it was enqueued before, or the task that had its key has just ended
            continue
        if terms.is_successor or link_id(found.task_id) != own_id:
            return replace_waiting(task, found, broker)
        # The link before it has its key, and ends once this one is in the queue.
        terms = terms._replace(is_successor=True)
    logger.debug("task %s was enqueued before", own_id)
    return Outcome(own_id, True)


def has_row(task_id: str) -> bool:
    """Return True if a task has ended, as far as its row says so."""
    return Task.objects.using(router.db_for_write(Task)).filter(id=task_id).exists()
