"""Read results of tasks and groups, and wait for them.

Everywhere ``wait`` is in milliseconds: 0 reads once, -1 waits for ever. ``cached`` reads the cache
instead of the database; None means ``Q_CLUSTER['cached']``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db.models import QuerySet

from django_q.brokers.base import Broker
from django_q.brokers.broker_cache import shared_broker
from django_q.conf import Conf
from django_q.models import Task
from django_q.results.cache import CachedResults
from django_q.results.queries import DatabaseResults
from django_q.results.waiting.questions import Question
from django_q.results.waiting.threads import wait_until_found
from django_q.servers.transactions import check_wait
from django_q.status import warn_if_unserved
from django_q.wire.option_types import group_id as named_group
from django_q.wire.option_types import milliseconds
from django_q.wire.option_types import task_id as named_task
from django_q.wire.options import COUNT_TYPE, normalize_option


@dataclass(frozen=True)
class ResultReader:
    """Reads results from one store, and waits for them."""

    store: DatabaseResults | CachedResults

    def result(self, task_id: str, wait: float = 0, default: Any = None) -> Any:
        """Return the result of a task, or the default."""
        found = ask(*self.task_question("result", task_id, wait))
        return found[0] if found else default

    def fetch(self, task_id: str, wait: float = 0) -> Task | None:
        """Return a finished task."""
        return ask(*self.task_question("fetch", task_id, wait))

    def result_group(
        self, group_id: str, failures: bool = False, wait: float = 0, count: int | None = None
    ) -> list[Any] | None:
        """List the results of a group."""
        return self.await_group("result_group", group_id, failures, wait, count)

    def fetch_group(
        self, group_id: str, failures: bool = True, wait: float = 0, count: int | None = None
    ) -> Sequence[Task] | None:
        """Find the tasks of a group."""
        return self.await_group("fetch_group", group_id, failures, wait, count)

    def await_group(
        self, kind: str, group_id: str, failures: bool, wait: float, count: int | None
    ) -> Any:
        """Wait for tasks of a group, and return what is found then.

        Returns None where nothing is found, as the predecessors do.
        """
        question, wait = self.group_question(kind, group_id, failures, wait, count)
        if question:
            ask(question, wait)
        found = self.group_finder(kind, group_id, failures)()
        is_there = found.exists() if isinstance(found, QuerySet) else bool(found)
        return found if is_there else None

    def task_question(self, kind: str, task_id: Any, wait: Any) -> tuple[Question, float]:
        """Make the question for the end of a task, and check for how long it is waited for."""
        name = named_task(task_id)
        find = partial(getattr(self.store, kind), name)
        return Question(name, self.store, find, kind), milliseconds(wait)

    def group_question(
        self, kind: str, group_id: Any, failures: bool, wait: Any, count: Any
    ) -> tuple[Question | None, float]:
        """Make the question for ``count`` tasks of a group, or for the first one.

        With ``count`` the wait has no limit unless ``wait`` sets one. Without both nothing is
        waited for, and the question is None.
        """
        name, find = named_group(group_id), self.group_finder(kind, group_id, failures)
        wait, count = milliseconds(wait), normalize_option("count", count, COUNT_TYPE)
        if count is not None:

            def has_enough() -> bool | None:
                return self.store.count_group(name) >= count or None

            return Question(name, self.store, has_enough), wait or -1
        return (Question(name, self.store, lambda: find() or None) if wait else None), wait

    def group_finder(self, kind: str, group_id: Any, failures: bool) -> Callable[[], Any]:
        """Make the function that finds the tasks of a group, or their results."""
        return partial(getattr(self.store, kind), named_group(group_id), failures)


def ask(question: Question, wait: float) -> Any:
    """Look, and wait until it is found; None when the time is over."""
    if not wait:
        return question.find()
    check_wait(question.name)
    return wait_until_found(question.find, wait, question.name)


def reader(cached: bool | int | None = None, broker: Broker | None = None) -> ResultReader:
    """Make a reader of the cache or the database, as ``cached`` or the settings say."""
    if Conf.CACHED if cached is None else cached:
        return cache_reader(broker)
    return ResultReader(DatabaseResults())


def cache_reader(broker: Broker | None = None) -> ResultReader:
    """Make a reader of the cache."""
    return ResultReader(cached_results_of(broker))


def cached_results_of(broker: Broker | None) -> CachedResults:
    """Find the store of cached results for the queue of a broker; None is the default one."""
    return CachedResults.of(normalize_option("broker", broker))


def result(
    task_id: str, wait: float = 0, cached: bool | int | None = None, default: Any = None
) -> Any:
    """Return the result of a task, by its id or name; ``default`` when it has not ended.

    The result of a task that failed is the text of its exception. The wait ends when the task
    has ended, whatever it returned: pass a ``default`` to distinguish
    the result None from no result.
    """
    found = reader(cached).result(task_id, wait, default)
    if wait and found is default:
        warn_if_unserved()
    return found


def result_cached(
    task_id: str, wait: float = 0, broker: Broker | None = None, default: Any = None
) -> Any:
    """Return the result of a task from the cache; see ``result``."""
    return cache_reader(broker).result(task_id, wait, default)


def fetch(task_id: str, wait: float = 0, cached: bool | int | None = None) -> Task | None:
    """Return a finished task, by its id or name; None when it has not ended."""
    found = reader(cached).fetch(task_id, wait)
    if wait and found is None:
        warn_if_unserved()
    return found


def fetch_cached(task_id: str, wait: float = 0, broker: Broker | None = None) -> Task | None:
    """Return a finished task from the cache, as a Task that is not saved."""
    return cache_reader(broker).fetch(task_id, wait)


def result_group(
    group_id: str,
    failures: bool = False,
    wait: float = 0,
    count: int | None = None,
    cached: bool | int | None = None,
) -> list[Any] | None:
    """List the results of a group's tasks that have ended; None where there are none.

    ``failures`` adds the texts of exceptions. With a ``count`` it waits until that many tasks
    have ended, successful or not, and without limit unless ``wait`` sets one. A ``wait`` alone
    ends with the first result.
    """
    return reader(cached).result_group(group_id, failures, wait, count)


def result_group_cached(
    group_id: str,
    failures: bool = False,
    wait: float = 0,
    count: int | None = None,
    broker: Broker | None = None,
) -> list[Any] | None:
    """List the results of a group from the cache; see ``result_group``."""
    return cache_reader(broker).result_group(group_id, failures, wait, count)


def fetch_group(
    group_id: str,
    failures: bool = True,
    wait: float = 0,
    count: int | None = None,
    cached: bool | int | None = None,
) -> Sequence[Task] | None:
    """Find the tasks of a group that have ended: a queryset, or a list from the cache.

    None where there are none. ``failures`` set to False leaves those out. ``wait`` and ``count``:
    see ``result_group``.
    """
    return reader(cached).fetch_group(group_id, failures, wait, count)


def fetch_group_cached(
    group_id: str,
    failures: bool = True,
    wait: float = 0,
    count: int | None = None,
    broker: Broker | None = None,
) -> list[Task] | None:
    """List the tasks of a group from the cache; see ``fetch_group``."""
    return cache_reader(broker).fetch_group(group_id, failures, wait, count)


def count_group(group_id: str, failures: bool = False, cached: bool | int | None = None) -> int:
    """Count the tasks of a group that have ended; with ``failures`` only those that failed."""
    return reader(cached).store.count_group(named_group(group_id), failures)


def count_group_cached(group_id: str, failures: bool = False, broker: Broker | None = None) -> int:
    """Count the tasks of a group in the cache; see ``count_group``."""
    return cached_results_of(broker).count_group(named_group(group_id), failures)


def delete_group(group_id: str, tasks: bool = False, cached: bool | int | None = None) -> Any:
    """Take the label off the tasks of a group; with ``tasks``, and from the cache, delete them."""
    return reader(cached).store.delete_group(named_group(group_id), tasks)


def delete_group_cached(group_id: str, broker: Broker | None = None) -> None:
    """Delete a group and its results from the cache."""
    cached_results_of(broker).delete_group(named_group(group_id))


def delete_cached(task_id: str, broker: Broker | None = None) -> bool:
    """Delete a result from the cache, and return whether it was there."""
    return cached_results_of(broker).delete(named_task(task_id))


def queue_size(broker: Broker | None = None) -> int:
    """Count the tasks that wait on a queue, without those that a cluster has taken."""
    return (normalize_option("broker", broker) or shared_broker()).queue_size()
