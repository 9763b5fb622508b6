"""Submit packages: sign them, and enqueue them at once or when the open transaction commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.utils import timezone

from django_q.brokers import adapt_broker
from django_q.brokers.base import Broker
from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.other_queues import queue_label
from django_q.brokers.terms import Enqueued
from django_q.calls.enqueueing import (
    TermedTask,
    add_tasks,
    already_enqueued,
    check_served,
    enqueue,
    enqueue_once,
    enqueue_or_refuse,
    find_duplicate,
    replace_waiting,
    served_options,
    with_terms,
)
from django_q.calls.payloads import (
    add_default_options,
    first_wanted_options,
    need_terms,
    signed_payload,
    signed_payload_in_cluster,
    when_duplicate,
)
from django_q.completion.completion import complete_here
from django_q.conf import Conf, logger
from django_q.exceptions import AlreadyEnqueued
from django_q.execution.run_details import describe_failure
from django_q.models import OutboxTask
from django_q.outbox.choice import keeps_tasks_for
from django_q.outbox.pushing import push_committed, push_or_keep
from django_q.outbox.rows import add_rows, make_rows, read_terms_of
from django_q.servers.advice import raise_advised
from django_q.servers.transactions import open_transaction, pending_task, run_on_commit
from django_q.signing import SignedPackage
from django_q.status import UnservedQueueWarning, warn_if_unserved
from django_q.wire.framework_call import with_read_arguments
from django_q.wire.option_types import REJECT, REPLACE
from django_q.wire.package import TaskPackage, checked_package


def submit(package: TaskPackage, broker: Broker | None = None) -> str:
    """Put a package on the queue now, and return the id of the task that stands for it.

    Raises as ``submit_when_committed`` does.
    """
    return submit_when_committed([package], broker, on_commit=False)[0]


def submit_once(package: TaskPackage, broker: Broker | None = None) -> str:
    """Put a package on the queue now, unless its id was enqueued before.

    Returns the id of the task that stands for it. Call ``forget_ids`` when nobody will submit it
    again. Raises as ``signed_payload_in_cluster`` does, and ``AlreadyEnqueued`` where another task
    has its unique or idempotency key.
    """
    broker = broker_of_cluster(broker, package.get("cluster"))
    add_default_options([package], served_options(broker))
    payload = signed_payload_in_cluster(package)
    if options := first_wanted_options([package]):
        check_served([package], broker)
    if need_terms(options):
        outcome = enqueue_once(*with_terms([package], [payload]), broker)
        if not outcome.makes_call:
            raise AlreadyEnqueued(duplicate_text(outcome.task_id), outcome.task_id)
        return outcome.task_id
    if not broker.enqueue_once(payload, package["id"]):
        logger.debug("task %s was enqueued before", package["id"])
    return package["id"]


def forget_ids(packages: Iterable[TaskPackage], broker: Broker | None = None) -> None:
    """Have the brokers forget the ids that ``submit_once`` has enqueued."""
    ids: dict[str | None, list[str]] = defaultdict(list)
    for package in packages:
        ids[package.get("cluster")].append(package["id"])
    for cluster, own in ids.items():
        broker_of_cluster(broker, cluster).release_once_keys(own)


def broker_of_cluster(broker: Broker | None, cluster: str | None) -> Broker:
    """Find the broker for the queue of a cluster: the given one unless a cluster is named."""
    return broker if broker and not cluster else adapt_broker(shared_broker(cluster))


def submit_when_committed(
    packages: Sequence[TaskPackage], broker: Broker | None = None, on_commit: bool = True
) -> list[str]:
    """Put packages on the queue when the open transaction commits; now if none is open.

    They are signed at once: they carry the arguments as they are now. None of them is
    enqueued unless all can be. With ``on_commit`` False they are enqueued now in any case.
    Returns the ids of the tasks that stand for the calls.

    Raises ``PackageError`` for what can not be serialized, ``UnsupportedOption``,
    ``AlreadyEnqueued``, and the driver's error when the broker does not answer; where that is a
    Redis server that can not be reached, it is a ``BrokerUnavailable`` as well.
    """
    if not packages:
        return []
    try:
        ids = submit_signed(packages, broker, on_commit)
    except Exception as error:
        raise_advised(error)
    if UnservedQueueWarning.is_first_call:
        warn_first_call(packages, broker)
    return ids


def push_or_advise(push: Callable[..., Any], *args: Any) -> None:
    """Enqueue after a commit; an error of the broker says what to do."""
    try:
        push(*args)
    except Exception as error:
        raise_advised(error)


def warn_first_call(packages: Sequence[TaskPackage], broker: Broker | None) -> None:
    """Log, at the first call of a process, that no cluster serves its queue; while developing."""
    UnservedQueueWarning.is_first_call = False
    if settings.DEBUG:
        broker = broker or shared_broker(packages[0].get("cluster"))
        warn_if_unserved(broker, queue_label(broker.list_key))


def submit_signed(
    packages: Sequence[TaskPackage], broker: Broker | None, on_commit: bool
) -> list[str]:
    """Sign packages, and put them on the queue now, or when the open transaction commits."""
    broker = broker or shared_broker(packages[0].get("cluster"))
    if Conf.PRIORITY or Conf.TRACK or Conf.EXPIRES:  # saves most calls two calls of functions
        add_default_options(packages, served_options(broker))
    payloads = [signed_payload(package) for package in packages]
    alias = open_transaction() if on_commit else None
    is_kept = bool(Conf.OUTBOX) and keeps_tasks_for(broker, alias, on_commit)
    if options := first_wanted_options(packages):
        check_served(packages, broker)
        if need_terms(options):
            return submit_with_terms(with_terms(packages, payloads), broker, alias, is_kept)
    if is_kept:
        keep_plain(packages, payloads, adapt_broker(broker), alias)
    elif alias is None:
        send(payloads, broker, packages)
    elif queue_database(broker) == alias:
        send(payloads, broker, packages)
        run_on_commit(None, ids_and_groups(packages), alias)
    else:
        push = partial(push_or_advise, send, payloads, broker, packages)
        run_on_commit(push, ids_and_groups(packages), alias)
    return [package["id"] for package in packages]


def submit_with_terms(
    tasks: Sequence[TermedTask], broker: Broker, alias: str | None, is_kept: bool
) -> list[str]:
    """Put tasks on the queue when the transaction on ``alias`` commits; now if that is None."""
    if alias is not None and queue_database(broker) != alias:
        return enqueue_on_commit(tasks, broker, alias, is_kept)
    ids = enqueue_or_refuse(tasks, broker, add_or_keep if is_kept else add_tasks)
    if alias is not None:
        run_on_commit(None, ids_and_groups([task.package for task in tasks]), alias)
    return ids


def enqueue_on_commit(
    tasks: Sequence[TermedTask], broker: Broker, alias: str, is_kept: bool
) -> list[str]:
    """Have tasks enqueued when a transaction commits, unless one of their key is there already.

    The broker is asked now, and once more when they are enqueued. One of that key may have been
    enqueued in between: then the id that was returned here gets a row that says so. Returns the
    ids of the tasks that stand for the calls.
    """
    waiting: list[TermedTask] = []
    ids: list[str] = []
    keys: dict[str, str] = {}  # of the tasks that wait for the commit: the ids to be returned
    for task in tasks:
        key = task.key and f"{type(broker).__name__} {broker.list_key} {task.key}"
        pending = key and (keys.get(key) or pending_task(key, alias))
        found = None if pending or not key else find_duplicate(task, broker)
        other = pending or (found.task_id if found else None)
        if other and when_duplicate(task.package) == REJECT:
            raise already_enqueued(task.package, other)
        ids.append(other or task.terms.task_id)
        if not other or is_replaceable(task, found):
            waiting.append(task)
            if key:
                keys[key] = ids[-1]
    promised = dict(zip((task.terms.task_id for task in tasks), ids, strict=True))
    names = (*promised.values(), *ids_and_groups([task.package for task in waiting]))
    if is_kept:
        push = keep_until_commit(make_task_rows(waiting, broker, promised), broker)
    else:
        push = partial(push_or_advise, push_with_terms, waiting, broker, promised)
    run_on_commit(push, names, alias, keys)
    return ids


def keep_plain(
    packages: Sequence[TaskPackage], payloads: Sequence[str], broker: Broker, alias: str | None
) -> None:
    """Push plain tasks now, or else have the outbox keep them; only keep them in a transaction."""
    ids = [package["id"] for package in packages]
    tasks = [(payload, None, task_id) for payload, task_id in zip(payloads, ids, strict=True)]
    rows = make_rows(broker.list_key, tasks)
    if alias is None:
        push_or_keep(rows, broker)
    else:
        run_on_commit(keep_until_commit(rows, broker), ids_and_groups(packages), alias)


def keep_until_commit(rows: Sequence[OutboxTask], broker: Broker) -> Callable[[], None]:
    """Have the outbox keep tasks in the open transaction. Returns what pushes them after it."""
    add_rows(rows)
    return partial(push_committed, rows, broker, settle_duplicate)


def add_or_keep(tasks: Sequence[TermedTask], broker: Broker) -> list[Enqueued]:
    """Enqueue tasks with terms now, or else have the outbox keep them."""
    own_ids = {task.terms.task_id: task.terms.task_id for task in tasks}
    found = push_or_keep(make_task_rows(tasks, broker, own_ids), broker) or [None] * len(tasks)
    return [each or Enqueued(task.terms.task_id) for task, each in zip(tasks, found, strict=True)]


def make_task_rows(
    tasks: Sequence[TermedTask], broker: Broker, promised: Mapping[str, str]
) -> list[OutboxTask]:
    """Make the rows of tasks with terms. ``promised`` has the id that a caller gets for each."""
    rows = [(task.payload, task.terms, promised[task.terms.task_id]) for task in tasks]
    return make_rows(broker.list_key, rows)


def settle_duplicate(row: OutboxTask, found: Enqueued, broker: Broker) -> None:
    """Do what is asked for where another task has the key of one in the outbox."""
    terms = read_terms_of(row)
    package = with_read_arguments(checked_package(SignedPackage.loads(row.payload)))
    task = TermedTask(package, row.payload, terms)
    try:
        other_id = replace_waiting(task, found, broker).task_id
    except AlreadyEnqueued as error:  # it changed whenever it was to be replaced
        other_id = error.task_id
    if other_id != terms.task_id == row.task_id:
        record_duplicate(package, other_id, broker)


def is_replaceable(task: TermedTask, found: Enqueued | None) -> bool:
    """Return True if a task may take the place of the one that was found, or of a pending one."""
    is_waiting = found is None or found.version is not None
    return is_waiting and when_duplicate(task.package) == REPLACE


def push_with_terms(
    tasks: Sequence[TermedTask], broker: Broker, promised: Mapping[str, str]
) -> None:
    """Enqueue tasks after a commit. ``promised`` has the id that a caller got for each of them."""
    for task, outcome in zip(tasks, enqueue(tasks, broker) if tasks else (), strict=True):
        if outcome.task_id != task.terms.task_id == promised[task.terms.task_id]:
            record_duplicate(task.package, outcome.task_id, broker)


def record_duplicate(package: TaskPackage, other_id: str, broker: Broker) -> None:
    """Complete a task that was not enqueued as a failure: somebody may wait for its id."""
    try:
        error = AlreadyEnqueued(duplicate_text(other_id), other_id)
        outcome = {"success": False, "result": str(error), "stopped": timezone.now()}
        ended = {**package, **outcome, **describe_failure(error, package["func"])}
        complete_here([ended], broker, submit)  # type: ignore[list-item]
    except Exception:  # the transaction has been committed, and the caller can not undo it
        logger.exception("a duplicate of task %s could not be recorded", other_id)


def duplicate_text(other_id: str) -> str:
    """Say which task stands for one that was not enqueued."""
    return f"It is not enqueued, as a duplicate of task {other_id}, which has its key."


def queue_database(broker: Broker) -> str | None:
    """Name the database of a broker's queue, whose rows commit with its transaction; else None."""
    return getattr(broker, "alias", None)


def ids_and_groups(packages: Sequence[TaskPackage]) -> Iterator[str]:
    """Yield the ids and groups of packages, for which the caller could wait."""
    for package in packages:
        yield package["id"]
        if package.get("group"):
            yield package["group"]


def send(payloads: Sequence[str], broker: Broker, packages: Sequence[TaskPackage]) -> None:
    """Enqueue payloads in one round trip."""
    if len(payloads) == 1:
        receipts = [broker.enqueue(payloads[0])]
    else:
        receipts = adapt_broker(broker).enqueue_many(payloads)
    if logger.isEnabledFor(10):
        for package, receipt in zip(packages, receipts, strict=False):
            logger.debug("Pushed ('%s', '%s') as %s", package["name"], package["id"], receipt)
