"""What the interactive monitor shows, read from the broker and the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import Error as DatabaseError
from django.utils import timezone

from django_q.brokers import Broker
from django_q.dashboard.failures.kinds import Kind, find_kinds
from django_q.dashboard.task_search.listed_task import ListedTask
from django_q.dashboard.task_search.unfinished import listed_run
from django_q.exceptions import BrokerUnavailable, contain_error
from django_q.servers.connections import close_old
from django_q.status import Stat
from django_q.terminal.queue_figures import (
    Figures,
    FiguresReader,
    ThrottledValue,
    broker_errors_translated,
)
from django_q.text.error_text import error_summary
from django_q.text.printable import printable
from django_q.unfinished.queues import QueueState, is_served, queue_states, state_of
from django_q.unfinished.reading import broker_for

#: The least seconds between two reads of all queues, and of the failures.
QUEUES_INTERVAL, FAILURES_INTERVAL = 1.0, 5.0


@dataclass(frozen=True)
class Facts:
    """What is known at one moment; None where it was not read yet."""

    stats: Sequence[Stat] | None = None
    figures: Figures | None = None
    queues: Sequence[QueueState] | None = None
    kinds: Sequence[Kind] | None = None
    #: Why something could not be read.
    error: str = ""

    @property
    def runs(self) -> list[ListedTask] | None:
        """The tasks that run, the longest running first."""
        if self.stats is None:
            return None
        runs = [listed_run(task, stat) for stat in self.stats for task in tasks_of(stat)]
        return sorted(runs, key=lambda run: -run.seconds)


def tasks_of(stat: Stat) -> list[dict[str, Any]]:
    """Return what the workers of a cluster run; the predecessors tell less of it."""
    known = {"id": "", "group": "", "attempt": 1, "since": 0.0}
    names = ("pid", "name", "func", "seconds")
    tasks = stat.running or [dict(zip(names, each, strict=True)) for each in stat.current]
    return [{**known, **task} for task in tasks]


@dataclass
class FactsReader:
    """Reads what a view shows, and keeps what the others have shown."""

    broker: Broker
    facts: Facts = field(default_factory=Facts)

    def __post_init__(self) -> None:
        self.figures = FiguresReader(self.broker)
        self.queues = ThrottledValue(self.read_queues, QUEUES_INTERVAL)
        self.kinds = ThrottledValue(lambda: find_kinds(timezone.now()).kinds, FAILURES_INTERVAL)

    def read(self, view: str) -> Facts:
        """Read what a view shows. What can not be read stays as it was, and ``error`` says why."""
        self.facts = replace(self.facts, error="")
        more = {"clusters": self.read_figures, "queues": self.read_all_queues,
                "failures": self.read_failures}  # fmt: skip
        for read in (self.read_stats, more.get(view)):
            try:
                self.facts = replace(self.facts, **read()) if read else self.facts
            except BaseException as error:  # whatever a driver raises
                contain_error(error)
                self.facts = replace(self.facts, error=self.facts.error or error_line(error))
        return self.facts

    def read_stats(self) -> dict[str, Any]:
        """Read the heartbeats."""
        with broker_errors_translated(self.broker):
            return {"stats": Stat.get_all(self.broker)}

    def read_figures(self) -> dict[str, Any]:
        """Read the figures of the queue and the results."""
        with broker_errors_translated(self.broker):
            return {"figures": self.figures.read([stat.queue for stat in self.facts.stats or ()])}

    def read_all_queues(self) -> dict[str, Any]:
        """Read all queues, at most once in an interval."""
        with broker_errors_translated(self.broker):
            return {"queues": self.queues()}

    def read_queues(self) -> list[QueueState]:
        """Read all queues that have tasks, clusters, or both."""
        stats = self.facts.stats or ()
        states = {state.name: state for state in queue_states(self.broker, stats)}
        for name in {stat.queue for stat in stats if stat.queue} - states.keys():
            states[name] = state_of(broker_for(name), name, is_served(name, stats), stats)
        return [states[name] for name in sorted(states)]

    def read_failures(self) -> dict[str, Any]:
        """Read the kinds of failures."""
        try:
            return {"kinds": self.kinds()}
        except DatabaseError:
            close_old()  # so that the next query opens a connection that works
            raise


def error_line(error: BaseException) -> str:
    """Write in one line what is wrong."""
    return printable(str(error)) if isinstance(error, BrokerUnavailable) else error_summary(error)
