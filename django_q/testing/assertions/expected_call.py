"""The call that a test expects, and in what a task differs from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Any

from django.utils.module_loading import import_string

from django_q.testing.recording.enqueued_task import EnqueuedTask, call_text
from django_q.text.function_names import dotted_name
from django_q.text.representation import represent
from django_q.wire.options import normalize_option
from django_q.wire.package import KNOWN_OPTIONS

#: Seconds by which the expected ``run_after`` may be off: the clock goes on.
RUN_AFTER_TOLERANCE = 1.0
#: Characters of a value in a message.
MAX_VALUE_LENGTH = 200


@dataclass
class ExpectedCall:
    """The call that a test asks for; None stands for anything."""

    func: str
    args: tuple | None = None
    kwargs: dict[str, Any] | None = None
    queue: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def make(cls, func: Any, args: Any, kwargs: Any, options: Mapping[str, Any]) -> ExpectedCall:
        """Check and convert what a test asks for. Raises ``TypeError``."""
        if args is not None and (isinstance(args, str) or not isinstance(args, Sequence)):
            raise TypeError(
                f"args must be the arguments of the call as a tuple, such as ({args!r},); "
                f"got {args!r}."
            )
        given = dict(options)
        queue = given.pop("queue", None) or given.pop("cluster", None)
        if unknown := sorted(given.keys() - KNOWN_OPTIONS):
            raise TypeError(
                f"'{unknown[0]}' is no option of a task. Arguments of the call go into kwargs."
            )
        return cls(
            function_path(func),
            None if args is None else tuple(args),
            None if kwargs is None else dict(kwargs),
            queue,
            given,
        )

    def __str__(self) -> str:
        options = {"queue": self.queue, **self.options}
        shown = [
            f"{name}={represent(value, MAX_VALUE_LENGTH)}"
            for name, value in options.items()
            if value is not None
        ]
        with_options = f" with {', '.join(shown)}" if shown else ""
        return call_text(self.func, self.args, self.kwargs) + with_options

    def differences(self, task: EnqueuedTask) -> list[str]:
        """List in what a task differs from the call, in words."""
        pairs: list[tuple[str, Any, Any]] = []
        if not is_same_function(self.func, task.func):
            pairs.append(("the function", self.func, task.func))
        if self.args is not None:
            pairs += argument_pairs(self.args, task.args)
        if self.kwargs is not None:
            pairs += named_pairs(self.kwargs, task.kwargs)
        # A task of Django's framework has a queue_name, which the settings map to a queue.
        if self.queue is not None and self.queue != task.options.get("queue"):
            pairs.append(("the queue", self.queue, task.queue))
        pairs += [
            (f"the option '{name}'", value, option_of(task, name))
            for name, value in self.options.items()
            if not is_option(task, name, value)
        ]
        return [
            f"{what}: expected {shown(expected)}, got {shown(got)}"
            for what, expected, got in pairs
            if expected != got
        ]

    def distance(self, task: EnqueuedTask) -> tuple[float, int]:
        """Tell how far a task is from the call: by the name of the function, then by the rest."""
        if is_same_function(self.func, task.func):
            return 0.0, len(self.differences(task))
        return 1.0 - SequenceMatcher(None, self.func, task.func).ratio(), 0


class Nothing:
    """Stands for a value that is not there, in messages."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING = Nothing()


def shown(value: Any) -> str:
    """Write a value for a message."""
    return represent(value, MAX_VALUE_LENGTH)


def argument_pairs(expected: tuple, got: tuple) -> list[tuple[str, Any, Any]]:
    """Pair positional arguments by their number."""
    length = max(len(expected), len(got))
    padded = [(*values, *[NOTHING] * (length - len(values))) for values in (expected, got)]
    return [(f"argument {number}", *pair) for number, pair in enumerate(zip(*padded), 1)]  # noqa: B905


def named_pairs(expected: Mapping, got: Mapping) -> list[tuple[str, Any, Any]]:
    """Pair keyword arguments by their name."""
    return [
        (f"argument '{name}'", expected.get(name, NOTHING), got.get(name, NOTHING))
        for name in {**expected, **got}
    ]


def option_of(task: EnqueuedTask, name: str) -> Any:
    """Return an option of a task as a test gives it; None where it has none."""
    return {"run_after": task.run_after, "task_name": task.name}.get(name, task.options.get(name))


def is_option(task: EnqueuedTask, name: str, expected: Any) -> bool:
    """Return True if an option of a task is as expected."""
    got = option_of(task, name)
    if name == "run_after" and expected is not None and got is not None:
        due = expected if isinstance(expected, datetime) else task.enqueued_at + as_span(expected)
        return abs((got - due).total_seconds()) <= RUN_AFTER_TOLERANCE
    if name == "hook":
        return function_path(expected) == function_path(got)
    return got == expected or got == normalize_option(name, expected)


def as_span(value: Any) -> timedelta:
    """Return a span of time, which may be given in seconds."""
    return value if isinstance(value, timedelta) else timedelta(seconds=value)


def function_path(func: Any) -> str:
    """Return the path by which a task names a function, or a task of Django's framework."""
    path = getattr(func, "module_path", None)
    return path if isinstance(path, str) else dotted_name(func)


def is_same_function(expected: str, got: str) -> bool:
    """Return True if two paths lead to one function, which may be imported elsewhere too."""
    if expected == got or expected.rpartition(".")[2] != got.rpartition(".")[2]:
        return expected == got
    found: list[Callable] = []
    for path in (expected, got):
        try:
            found.append(import_string(path))
        except ImportError:
            return False
    return found[0] is found[1]
