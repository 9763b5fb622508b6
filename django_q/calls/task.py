"""``AsyncTask``: a call with its options as an object, to be run and asked for its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django_q.calls import composition
from django_q.calls.call import Call
from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.models import Task
from django_q.results.reading import ResultReader, reader
from django_q.wire.package import call_by_name, options_in


class AsyncTask(Call):
    """A call with its options, to be run one or more times.

    Takes what ``async_task`` takes. Results are None until it has been run.
    """

    def __init__(self, func: str | Callable, *args: Any, **kwargs: Any) -> None:
        if isinstance(func, FunctionWithOptions):  # its options are attributes, too
            func, kwargs = call_by_name(func, kwargs)
        self.id = ""
        self.started = False
        self.func = func
        self.args = args
        self.kwargs = kwargs
        if kwargs.get("q_options"):
            self.kwargs["q_options"] = dict(options_in(kwargs["q_options"]))

    def options_dict(self) -> dict[str, Any]:
        """Return the dictionary that holds the options."""
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
        """The reader of the results in the database, or in the cache if the call asks for that."""
        return reader(self.cached, self.broker)
