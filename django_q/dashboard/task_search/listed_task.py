"""A task of any state, as lists show it and searches look at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django_q.brokers.terms import DELAYED, WAITING
from django_q.dashboard.task_search.stored_text import (
    beginning_of_text,
    call_text,
    stored_call_text,
)
from django_q.exceptions import Expired, TaskCancelled
from django_q.models import pickle_preview
from django_q.text.function_names import exception_path
from django_q.unfinished.task import RUNNING, UNFINISHED_STATES

SUCCEEDED, FAILED, CANCELLED_STATE, EXPIRED = "succeeded", "failed", "cancelled", "expired"
FAILED_STATES = (FAILED, CANCELLED_STATE, EXPIRED)
#: Each task has one of them.
ALL_STATES = (WAITING, DELAYED, RUNNING, SUCCEEDED, *FAILED_STATES)
#: Stands for all states of tasks that have not ended.
UNFINISHED = "unfinished"
#: The states that failures have for the sake of their exceptions.
STATES_BY_EXCEPTION = {
    exception_path(TaskCancelled): CANCELLED_STATE,
    exception_path(Expired): EXPIRED,
}


@dataclass
class ListedTask:
    """A task: what a list shows of it."""

    id: str
    name: str
    func: str
    group: str
    queue: str
    state: str
    #: When it came into its state: ended, began to run, or was enqueued; of a delayed one, when it
    #: may begin.
    when: datetime | None
    enqueued: datetime | None = None
    #: The host and process that runs it, or has run it.
    worker: str = ""
    #: Seconds that it has run.
    seconds: float | None = None
    attempt: int = 0
    #: Of a failure: the path of the class, and the fingerprint.
    exception: str = ""
    kind: str = ""
    #: Of one that runs: how far it is, and what it says of that.
    done: float | None = None
    total: float | None = None
    note: str = ""
    #: Columns as they are stored, where they were read: the beginning of the result, arguments.
    stored_result: str | None = None
    stored_args: str | None = None
    stored_kwargs: str | None = None
    #: The package of one that has not ended.
    payload: str | bytes | None = None
    #: Whether arguments are hidden from the user who searches.
    hides_values: bool = False

    @property
    def is_unfinished(self) -> bool:
        """Whether it waits, is delayed or runs."""
        return self.state in UNFINISHED_STATES

    @cached_property
    def error(self) -> str:
        """How the text of the exception begins; empty unless it failed."""
        return beginning_of_text(self.stored_result) if self.state in FAILED_STATES else ""

    @cached_property
    def arguments(self) -> str:
        """The arguments as they stand in the call; empty where they are large, or hidden."""
        if self.hides_values:
            return ""
        if self.payload is None:
            return stored_call_text(self.func, self.stored_args, self.stored_kwargs)
        package = pickle_preview.read_payload(self.payload)
        return call_text(self.func, package.get("args"), package.get("kwargs"))
