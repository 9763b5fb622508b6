"""Calls as objects: a task, an iterable and a chain that are built up, run, and asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from django_q.brokers.base import Broker
from django_q.calls import composition
from django_q.exceptions import UnknownOption
from django_q.models import Task
from django_q.results.polling import wait_for
from django_q.results.reading import ResultReader, reader
from django_q.servers.transactions import check_wait
from django_q.wire.option_types import closest_name_hint, items
from django_q.wire.package import KEYWORD_OPTIONS, KNOWN_OPTIONS, options_in


class Option:
    """An option of a call as an attribute; who sets it has to run the call anew."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, call: Call | None, owner: type) -> Any:
        if call is None:
            return self
        given = call.holder()
        bare = given.get(self.name) if call.is_keyword_option(self.name) else None
        return (given.get("q_options") or {}).get(self.name, bare)

    def __set__(self, call: Call, value: Any) -> None:
        call.started = False
        given = call.holder()
        if not call.is_keyword_option(self.name):
            given["q_options"] = given.get("q_options") or {}
            given["q_options"][self.name] = value
        else:
            (given.get("q_options") or given)[self.name] = value


class Call:
    """A call with its options as attributes. One that is misspelt is refused: it would be lost."""

    #: What calls have beside options.
    id, started, func, args, kwargs, options = "", False, None, (), None, None

    broker = Option()
    sync = Option()
    save = Option()
    hook = Option()
    group = Option()
    cached = Option()
    task_name = Option()
    timeout = Option()
    max_attempts = Option()
    ack_failure = Option()
    on_commit = Option()
    chain = Option()
    cluster = Option()
    redis = Option()
    list_key = Option()

    def holder(self) -> dict[str, Any]:
        """Give what holds the options."""
        raise NotImplementedError

    def is_keyword_option(self, name: str) -> bool:
        """Whether an option stands among the arguments of the function."""
        return name in KEYWORD_OPTIONS

    def __setattr__(self, name: str, value: Any) -> None:
        is_ours = type(self).__module__ == __name__  # others may have attributes of their own
        if is_ours and not hasattr(self, name) and (hint := closest_name_hint(name, KNOWN_OPTIONS)):
            raise UnknownOption(f"A {type(self).__name__} has no option '{name}'. {hint}")
        object.__setattr__(self, name, value)


class AsyncTask(Call):
    """A call with its options, to be run one or more times.

    Takes what ``async_task`` takes. Results are None until it has been run.
    """

    def __init__(self, func: str | Callable, *args: Any, **kwargs: Any) -> None:
        self.id = ""
        self.started = False
        self.func = func
        self.args = args
        self.kwargs = kwargs
        if kwargs.get("q_options"):
            self.kwargs["q_options"] = dict(options_in(kwargs["q_options"]))

    def holder(self) -> dict[str, Any]:
        """Give what holds the options."""
        return self.kwargs

    def run(self) -> str:
        """Submit the task and return its id."""
        self.id = composition.send_call(self.func, self.args, self.kwargs)
        self.started = True
        return self.id

    def result(self, wait: float = 0) -> Any:
        """Return the result; see ``tasks.result``."""
        return self.reader.result(self.id, wait) if self.started else None

    def fetch(self, wait: float = 0) -> Task | None:
        """Return the finished task; see ``tasks.fetch``."""
        return self.reader.fetch(self.id, wait) if self.started else None

    def result_group(
        self, failures: bool = False, wait: float = 0, count: int | None = None
    ) -> list[Any] | None:
        """List the results of the task's group; see ``tasks.result_group``."""
        if not self.started or not self.group:
            return None
        return self.reader.result_group(self.group, failures, wait, count)

    def fetch_group(
        self, failures: bool = True, wait: float = 0, count: int | None = None
    ) -> Sequence[Task] | None:
        """Find the tasks of the task's group; see ``tasks.fetch_group``."""
        if not self.started or not self.group:
            return None
        return self.reader.fetch_group(self.group, failures, wait, count)

    @property
    def reader(self) -> ResultReader:
        """Where the result goes."""
        return reader(self.cached, self.broker)


class Iter(Call):
    """A function and the arguments it is to be called with, one task each."""

    cached = sync = broker = None  # of each its own

    def __init__(
        self,
        func: str | Callable | None = None,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        cached: bool | int | None = None,
        sync: bool | None = None,
        broker: Broker | None = None,
    ) -> None:
        self.id = ""
        self.started = False
        self.func = func
        self.args = list(items(() if args is None else args, "The arguments of the calls"))
        self.kwargs = dict(kwargs or {})
        self.cached = cached
        self.sync = sync
        self.broker = broker

    def holder(self) -> dict[str, Any]:
        """Give what holds the options."""
        return self.kwargs

    def append(self, *args: Any) -> int:
        """Add the arguments of one more call, and return how many there are."""
        self.started = False
        self.args.append(args)
        return self.length()

    def run(self) -> str:
        """Submit the tasks and return the id of the task that collates their results."""
        options = {"cached": self.cached, "sync": self.sync, "broker": self.broker}
        given = {key: value for key, value in options.items() if value is not None}
        self.id = composition.send_iterable(self.func, self.args, {**self.kwargs, **given})
        self.started = True
        return self.id

    def result(self, wait: float = 0) -> list[Any] | None:
        """Return the results, in the order of the arguments, once all tasks have ended."""
        return self.reader.result(self.id, wait) if self.started else None

    def fetch(self, wait: float = 0) -> Task | None:
        """Return the task that collates the results, once all tasks have ended."""
        return self.reader.fetch(self.id, wait) if self.started else None

    def length(self) -> int:
        """Count the calls."""
        return len(self.args)

    @property
    def reader(self) -> ResultReader:
        """Where the results go."""
        return reader(self.cached, self.broker)


class Chain(Call):
    """Calls that run one after the other, in a group."""

    chain = group = cached = sync = broker = None  # of each its own
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

    def holder(self) -> dict[str, Any]:
        """Give what holds the options."""
        return self.options

    def is_keyword_option(self, name: str) -> bool:
        """Whether an option stands beside the others: here each does."""
        return True

    def append(self, func: str | Callable, *args: Any, **kwargs: Any) -> int:
        """Add a link, and return how many there are. The results of an earlier run are let go."""
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
        """Let the results of an earlier run go: those of the next are counted from zero."""
        if self.started:
            self.reader.store.delete_group(self.group)
        self.started = False

    def result(self, wait: float = 0) -> list[Any] | None:
        """Return the results in the order of the links, waiting for the end of the chain.

        It ends with its last link, or with one that fails. Without limit unless ``wait``, in
        milliseconds, sets one: then the results there are.
        """
        tasks = self.fetch(False, wait)
        return None if tasks is None else [task.result for task in tasks]

    def fetch(self, failures: bool = True, wait: float = 0) -> Sequence[Task] | None:
        """Return the tasks in the order of the links; waits as ``result`` does."""
        if not self.started:
            return None
        check_wait(self.group)
        wait_for(lambda: self.is_over() or None, wait or -1)
        return in_submission_order(self.reader.fetch_group(self.group, failures) or [])

    def is_over(self) -> bool:
        """Whether no link is left to run."""
        where = self.reader.store
        if where.count_group(self.group) >= self.length():
            return True
        goes_on = self.options.get("continue_on_failure")
        return not goes_on and where.count_group(self.group, failures=True) > 0

    def current(self) -> int | None:
        """Tell the number of links that have ended."""
        return self.reader.store.count_group(self.group) if self.started else None

    def length(self) -> int:
        """Count the links."""
        return len(self.chain)

    @property
    def reader(self) -> ResultReader:
        """Where the results go."""
        return reader(self.cached, self.broker)


def in_submission_order(tasks: Sequence[Task]) -> Sequence[Task]:
    """Put the tasks of a chain in the order they were submitted."""
    if isinstance(tasks, QuerySet):
        return tasks.order_by("started", "stopped")
    return sorted(tasks, key=lambda task: task.started)
