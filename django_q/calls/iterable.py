"""``Iter``: a function and the arguments of its calls as an object, with one result for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django_q.brokers.base import Broker
from django_q.calls import composition
from django_q.calls.call import Call
from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.models import Task
from django_q.results.reading import ResultReader, reader
from django_q.wire.option_types import items


class Iter(Call):
    """A function and the arguments it is to be called with, one task each."""

    cached = sync = broker = None  # arguments of Iter itself: plain attributes

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
        own = func.options if isinstance(func, FunctionWithOptions) else {}
        self.cached = own.get("cached") if cached is None else cached
        self.sync = sync
        self.broker = own.get("broker") if broker is None else broker

    def options_dict(self) -> dict[str, Any]:
        """Return the dictionary that holds the options."""
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
        """The reader of the results in the database, or in the cache if the call asks for that."""
        return reader(self.cached, self.broker)
