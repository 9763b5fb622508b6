"""What a test sees of a task that was enqueued, and of how it has ended."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from django_q.execution.execution import UndecodablePayload, decode
from django_q.text.function_names import dotted_name
from django_q.text.representation import represent
from django_q.wire.package import REQUIRED_KEYS, TaskPackage

#: Characters of an argument that messages show.
MAX_ARGUMENT_LENGTH = 100


class EnqueuedTask:
    """A task in a queue of a test: what a worker will read, so its arguments are copies."""

    def __init__(self, package: TaskPackage, queue: str, enqueued_at: float) -> None:
        self.id: str = package["id"]
        self.name: str = package["name"]
        #: The dotted path of its function.
        self.func: str = dotted_name(package["func"])
        self.args: tuple = tuple(package["args"])
        self.kwargs: dict[str, Any] = dict(package["kwargs"])
        #: Its options, and what else travels with it, as it travels.
        self.options: dict[str, Any] = {k: v for k, v in package.items() if k not in REQUIRED_KEYS}
        #: The name of its queue.
        self.queue = queue
        self.enqueued_at = datetime.fromtimestamp(enqueued_at, timezone.utc)
        #: How often it has run.
        self.attempts = 0
        #: Whether it has succeeded; None until it has ended.
        self.success: bool | None = None
        self.result: Any = None
        #: The exception that ended it, of a failure.
        self.error: BaseException | None = None

    @property
    def run_after(self) -> datetime | None:
        """When it is due, in UTC; None where it was due at once."""
        due = self.options.get("run_after")
        if due is None:
            return None
        if isinstance(due, str):
            return datetime.fromisoformat(due)
        return self.enqueued_at + timedelta(seconds=due)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended: it is not tried again."""
        return self.success is not None

    def __repr__(self) -> str:
        shown = call_text(self.func, self.args, self.kwargs)
        details = [f"queue '{self.queue}'"]
        if self.run_after:
            details.append(f"run_after {self.run_after:%Y-%m-%d %H:%M:%S} UTC")
        if self.has_ended:
            details.append("succeeded" if self.success else f"failed: {self.error!r:.200}")
        return f"{shown}  [{', '.join(details)}]"


def call_text(func: str, args: Any, kwargs: Any) -> str:
    """Write a call as Python would; None stands for any arguments."""
    if args is None and kwargs is None:
        return func
    shown = ["*any"] if args is None else [represent(value, MAX_ARGUMENT_LENGTH) for value in args]
    shown += [
        f"{key}={represent(value, MAX_ARGUMENT_LENGTH)}" for key, value in (kwargs or {}).items()
    ]
    return f"{func}({', '.join(shown)})"


def read_payload(payload: str | bytes, queue: str, enqueued_at: float) -> EnqueuedTask | None:
    """Read a payload as a worker does; None where it is no task."""
    package = decode("", payload)
    if isinstance(package, UndecodablePayload):
        return None
    return EnqueuedTask(package, queue, enqueued_at)
