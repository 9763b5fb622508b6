"""The views: what each lists, in which columns, and which orders it offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_q.dashboard.failures.kinds import Kind
from django_q.dashboard.task_search.listed_task import ListedTask
from django_q.terminal.cluster_screen import (
    duration,
    pool_style,
    result_queue_style,
    state_style,
    task_queue_style,
)
from django_q.terminal.interactive.columns import Column
from django_q.terminal.interactive.details import (
    cluster_details,
    cluster_name_of,
    kind_details,
    queue_details,
    run_details,
)
from django_q.terminal.interactive.facts import Facts
from django_q.terminal.interactive.orders import cancel_order, pause_order, resubmit_order
from django_q.terminal.interactive.state import Order, State
from django_q.unfinished.holds import hold_texts
from django_q.unfinished.progress import progress_bar, progress_text
from django_q.unfinished.queues import QueueState

#: The widths of a terminal from which on further columns are shown.
SMALL_WIDTH, MEDIUM_WIDTH, BAR_WIDTH, LARGE_WIDTH = 70, 78, 100, 130


@dataclass(frozen=True)
class View:
    """A view: a table of rows of one kind."""

    title: Any
    #: Gives the rows; None where they were not read yet.
    rows: Callable[[Facts], Sequence[Any] | None]
    #: Names a row, so that it stays selected when others come and go.
    key: Callable[[Any], str]
    columns: tuple[Column, ...]
    #: Stands in place of rows where there are none.
    nothing: Any
    details: Callable[[Any], Sequence[str]]
    #: By their keys; what gives None offers no order for that row.
    orders: Mapping[str, Callable[[Any], Order | None]]
    #: What the keys of its orders do.
    key_texts: Mapping[str, Any]

    def filtered(self, facts: Facts, text: str) -> list[Any]:
        """Return the rows that have all words of a filter in some column."""
        words = text.lower().split()
        return [row for row in self.rows(facts) or () if not words or self.has(row, words)]

    def has(self, row: Any, words: Sequence[str]) -> bool:
        """Return True if a row has all words."""
        told = " ".join(str(column.text(row)) for column in self.columns).lower()
        return all(word in told for word in words)


def hold_text(state: QueueState) -> str:
    """Tell what holds a queue back, and whether it is served."""
    return ", ".join(state_texts(state))


def state_texts(state: QueueState) -> Iterator[str]:
    """Yield what holds a queue back, and that nobody serves it."""
    yield from hold_texts(state.control, state.counts.leased)
    if state.is_served is False:
        yield _("Not served")
    elif state.is_served is None:
        yield _("Of another project")


def queue_style(state: QueueState) -> str:
    """Choose the colour of a queue: red if its tasks are not served, yellow if it is held."""
    if state.is_served is False and any(state.counts[:3]):
        return "red"
    return "yellow" if any(hold_texts(state.control, state.counts.leased)) else ""


def age_text(seconds: float | None) -> str:
    """Write an age; a dash where nobody knows it."""
    return "-" if seconds is None else duration(seconds)


def seconds_since(moment: datetime) -> float:
    """Return for how long something has been so."""
    now = timezone.now() if timezone.is_aware(moment) else datetime.now()
    return (now - moment).total_seconds()


def bar_cell(run: ListedTask) -> str:
    """Draw how far a task is."""
    return progress_bar(run.done, run.total)


def progress_cell(run: ListedTask) -> str:
    """Write how far a task is."""
    return progress_text(run.done, run.total)


def exception_name(kind: Kind) -> str:
    """Return the bare name of the class of an exception."""
    return kind.exception.rpartition(".")[2] or "-"


def run_key(run: ListedTask) -> str:
    """Name a task that runs; the predecessors do not tell its id."""
    return run.id or run.worker


def kind_key(kind: Kind) -> str:
    """Name a kind; those of earlier releases have no fingerprint."""
    return kind.fingerprint or f"{kind.exception} {kind.func}"


CLUSTERS_VIEW = View(
    gettext_lazy("Clusters"),
    lambda facts: facts.stats,
    lambda stat: str(stat.cluster_id),
    (
        Column(gettext_lazy("Name"), cluster_name_of, share=2),
        Column(gettext_lazy("Host"), lambda stat: stat.host, share=1),
        Column(gettext_lazy("Queue"), lambda stat: stat.queue, from_width=MEDIUM_WIDTH),
        Column(gettext_lazy("Id"), lambda stat: str(stat.cluster_id)[-8:], from_width=LARGE_WIDTH),
        Column(gettext_lazy("State"), lambda stat: stat.status, state_style),
        Column(gettext_lazy("Pool"), lambda stat: len(stat.workers), pool_style),
        Column(gettext_lazy("TQ"), lambda stat: stat.task_q_size, task_queue_style, 0, SMALL_WIDTH),
        Column(
            gettext_lazy("RQ"), lambda stat: stat.done_q_size, result_queue_style, 0, SMALL_WIDTH
        ),
        Column(gettext_lazy("RC"), lambda stat: stat.reincarnations, from_width=LARGE_WIDTH),
        Column(gettext_lazy("Up"), lambda stat: duration(stat.uptime())),
    ),
    gettext_lazy("No clusters appear to be running."),
    cluster_details,
    {},
    {},
)
QUEUES_VIEW = View(
    gettext_lazy("Queues"),
    lambda facts: facts.queues,
    lambda state: state.name,
    (
        Column(gettext_lazy("Queue"), lambda state: state.name, queue_style, 3),
        Column(gettext_lazy("Waiting"), lambda state: state.counts.waiting),
        Column(gettext_lazy("Delayed"), lambda state: state.counts.delayed, from_width=SMALL_WIDTH),
        Column(gettext_lazy("Leased"), lambda state: state.counts.leased, from_width=MEDIUM_WIDTH),
        Column(gettext_lazy("Running"), lambda state: state.running),
        Column(gettext_lazy("Oldest"), lambda state: age_text(state.counts.oldest)),
        Column(gettext_lazy("State"), hold_text, queue_style, 4),
    ),
    gettext_lazy("No tasks"),
    queue_details,
    {"p": pause_order},
    {"p": gettext_lazy("pause or resume")},
)
RUNNING_VIEW = View(
    gettext_lazy("Running"),
    lambda facts: facts.runs,
    run_key,
    (
        Column(gettext_lazy("Time"), lambda run: duration(run.seconds)),
        Column("", bar_cell, from_width=BAR_WIDTH, is_optional=True),
        Column(gettext_lazy("Progress"), progress_cell, is_optional=True),
        Column(gettext_lazy("Name"), lambda run: run.name, share=3),
        Column(gettext_lazy("Function"), lambda run: run.func, share=4, keeps_end=True),
        Column(gettext_lazy("Queue"), lambda run: run.queue, from_width=LARGE_WIDTH),
        Column(gettext_lazy("Worker"), lambda run: run.worker, from_width=LARGE_WIDTH),
        Column("", lambda run: run.note, lambda run: "yellow", 3, LARGE_WIDTH, is_optional=True),
    ),
    gettext_lazy("No task is running."),
    run_details,
    {"c": lambda run: cancel_order(run) if run.id else None},
    {"c": gettext_lazy("cancel")},
)
FAILURES_VIEW = View(
    gettext_lazy("Failures"),
    lambda facts: facts.kinds,
    kind_key,
    (
        Column(gettext_lazy("Number"), lambda kind: kind.count),
        Column(gettext_lazy("In an hour"), lambda kind: kind.hours[-1], from_width=LARGE_WIDTH),
        Column(gettext_lazy("Last"), lambda kind: age_text(seconds_since(kind.last))),
        Column(gettext_lazy("First"), lambda kind: age_text(seconds_since(kind.first)),
               from_width=LARGE_WIDTH),
        Column(gettext_lazy("Exception"), exception_name, lambda kind: "red", 3),
        Column(gettext_lazy("Function"), lambda kind: kind.func, share=4, keeps_end=True),
        Column(gettext_lazy("Sample"), lambda kind: kind.sample_name, share=3,
               from_width=LARGE_WIDTH),
    ),
    gettext_lazy("No failures"),
    kind_details,
    {"r": resubmit_order},
    {"r": gettext_lazy("resubmit")},
)  # fmt: skip
#: By their names, in the order of their numbers.
VIEWS = {
    "clusters": CLUSTERS_VIEW,
    "queues": QUEUES_VIEW,
    "running": RUNNING_VIEW,
    "failures": FAILURES_VIEW,
}


def view_of(state: State) -> View:
    """Return the view that is shown."""
    return VIEWS[state.view]
