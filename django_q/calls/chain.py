"""``Chain``: calls that run one after the other as an object, with a result for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db.models import QuerySet

from django_q.brokers.base import Broker
from django_q.calls import composition
from django_q.calls.call import Call, Option
from django_q.models import Task
from django_q.results.reading import ResultReader, reader
from django_q.results.waiting.threads import wait_until_found
from django_q.servers.transactions import check_wait
from django_q.wire.option_types import items


class Chain(Call):
    """Calls that run one after the other, in a group."""

    chain = group = cached = sync = broker = None  # arguments of Chain itself: plain attributes
    continue_on_failure = Option()
    pass_result = Option()

    def __init__(
        self,
        chain: Iterable[Any] | None = None,
        group: str | None = None,
        cached: bool | int | None = None,
        sync: bool | None = None,
        broker: Broker | None = None,
        **options: Any,
    ) -> None:
        self.chain = list(items(() if chain is None else chain, "A chain"))
        self.group = "" if group is None else group
        self.cached = cached
        self.sync = sync
        self.broker = broker
        self.options = options  # further ones of async_chain
        self.started = False

    def options_dict(self) -> dict[str, Any]:
        """Return the dictionary that holds the options."""
        return self.options

    def is_keyword_option(self, name: str) -> bool:
        """Return True: a chain has no function, and keeps all its options in one dictionary."""
        return True

    def append(self, func: str | Callable, *args: Any, **kwargs: Any) -> int:
        """Add a link, and return how many there are. The results of an earlier run are deleted."""
        self.reset()
        self.chain.append((func, args, kwargs))
        return self.length()

    def run(self) -> str:
        """Submit the first link and return the group of all."""
        self.reset()
        own = {"cached": self.cached, "sync": self.sync, "broker": self.broker}
        self.group = composition.send_chain(
            self.chain, {**self.options, **own, "group": self.group or None}
        )
        self.started = True
        return self.group

    def reset(self) -> None:
        """Delete the results of an earlier run: those of the next are counted from zero."""
        if self.started:
            self.reader.store.delete_group(self.group)
        self.started = False

    def result(self, wait: float = 0) -> list[Any] | None:
        """Return the results in the order of the links, waiting for the end of the chain.

        A chain ends with its last link, or with one that fails unless ``continue_on_failure``
        is set. Waits without limit unless ``wait``, in milliseconds, sets one: then returns the
        results that exist when that time is over.
        """
        tasks = self.fetch(False, wait)
        return None if tasks is None else [task.result for task in tasks]

    def fetch(self, failures: bool = True, wait: float = 0) -> Sequence[Task] | None:
        """Return the tasks in the order of the links; waits as ``result`` does."""
        if not self.started:
            return None
        check_wait(self.group)
        wait_until_found(lambda: self.is_over() or None, wait or -1, self.group)
        return in_submission_order(self.reader.fetch_group(self.group, failures) or [])

    def is_over(self) -> bool:
        """Whether no link is left to run."""
        store = self.reader.store
        if store.count_group(self.group) >= self.length():
            return True
        if self.options.get("continue_on_failure"):
            return False
        return store.count_group(self.group, failures=True) > 0

    def current(self) -> int | None:
        """Count the links that have ended; None before the chain is run."""
        return self.reader.store.count_group(self.group) if self.started else None

    def length(self) -> int:
        """Count the links."""
        return len(self.chain)

    @property
    def reader(self) -> ResultReader:
        """The reader of the results in the database, or in the cache if the call asks for that."""
        return reader(self.cached, self.broker)


def in_submission_order(tasks: Sequence[Task]) -> Sequence[Task]:
    """Put the tasks of a chain in the order they were submitted."""
    if isinstance(tasks, QuerySet):
        return tasks.order_by("started", "stopped")
    return sorted(tasks, key=lambda task: task.started)
