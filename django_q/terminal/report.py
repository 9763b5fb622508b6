"""The report of qinfo: the clusters, the queue and the results in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_q import __version__
from django_q.brokers import Broker
from django_q.conf import Conf
from django_q.models import Schedule, Task
from django_q.status import Stat
from django_q.terminal.cluster_screen import dead_letter_rows, duration
from django_q.terminal.drawing.table import BLANK_ROW, Cell, Row
from django_q.terminal.queue_figures import broker_errors_translated, query_or_none
from django_q.terminal.queue_table import queue_as_dict, queue_rows
from django_q.text.printable import printable
from django_q.unfinished.progress import progress_bar, progress_text
from django_q.unfinished.queues import queue_states
from django_q.unfinished.running import remarks, runs_as_dicts

#: Units of a rate with their seconds, the longest last.
RATE_UNITS = (
    (1, gettext_lazy("Tasks/second")),
    (60, gettext_lazy("Tasks/minute")),
    (3600, gettext_lazy("Tasks/hour")),
)
PER_DAY = gettext_lazy("Tasks/day")
DAY_SECONDS = 86400
#: Tasks that run and are shown at most.
MAX_SHOWN_RUNS = 20
#: The columns of their table on a terminal of 80; on others they have these shares of the width.
RUN_SPANS = (9, 16, 27, 28)


def collect(broker: Broker, host: str | None = None) -> dict[str, Any]:
    """Collect the figures of the report, as values that can be written as JSON.

    Figures of a database that does not answer are None. Raises BrokerUnavailable.
    """
    with broker_errors_translated(broker):
        stats = Stat.get_all(broker)
        return {
            "version": __version__,
            "name": Conf.PREFIX,
            "queue": Conf.CLUSTER_NAME,
            "broker": broker.info(),
            "clusters": [cluster_as_dict(stat) for stat in on_host(stats, host)],
            "queues": [queue_as_dict(queue) for queue in queue_states(broker, stats)],
            "running": runs_as_dicts(broker, on_host(stats, host)),
            "queued": broker.queue_size(),
            "locked": broker.lock_size(),
            "dead": broker.dead_size(),
            "successes": query_or_none(Task.objects.filter(success__in=[True]).count),
            "failures": query_or_none(Task.objects.filter(success__in=[False]).count),
            "schedules": query_or_none(Schedule.objects.count),
            "last_24_hours": query_or_none(last_day_figures),
        }


def on_host(stats: Sequence[Stat], host: str | None) -> list[Stat]:
    """Select the clusters of one host; all if ``host`` is None."""
    return [stat for stat in stats if host in (None, stat.host)]


def cluster_as_dict(stat: Stat) -> dict[str, Any]:
    """Turn a heartbeat into a dictionary for JSON."""
    names = ("pid", "name", "func", "seconds")
    running = [dict(zip(names, task, strict=True)) for task in stat.current]
    return {**stat.as_dict(), "uptime": round(stat.uptime(), 3), "current": running}


def last_day_figures() -> dict[str, Any]:
    """Count the tasks that succeeded in the last 24 hours, with their average seconds."""
    taken = ExpressionWrapper(F("stopped") - F("started"), output_field=DurationField())
    since = timezone.now() - timedelta(days=1)
    recent = Task.objects.filter(success__in=[True], stopped__gt=since).order_by()
    found = recent.aggregate(tasks=Count("pk"), average=Avg(taken))
    average = found["average"]
    return {
        "tasks": found["tasks"],
        "average_seconds": average.total_seconds() if average else 0.0,
    }


def rows(facts: dict[str, Any]) -> list[Row]:
    """Make the rows of the report from what ``collect()`` returns."""
    clusters = facts["clusters"]
    unit, rate, average = last_day_cells(facts["last_24_hours"])
    workers = sum(len(each["workers"]) for each in clusters)
    restarts = sum(each["reincarnations"] for each in clusters)
    title = _("%(name)s %(version)s on %(broker)s") % {**facts, "name": facts["name"].title()}
    return [
        [Cell(f"-- {title} --", "bold")],
        BLANK_ROW,
        labelled_row(
            (_("Clusters"), len(clusters)), (_("Workers"), workers), (_("Restarts"), restarts)
        ),
        labelled_row(
            (_("Queued"), queued(facts)),
            (_("Successes"), facts["successes"]),
            (_("Failures"), facts["failures"]),
        ),
        labelled_row(
            (_("Schedules"), facts["schedules"]),
            (unit, rate),
            (_("Avg time"), average),
        ),
        *dead_letter_rows(facts["dead"]),
        *queue_rows(facts["queues"]),
        *running_rows(facts["running"]),
    ]


def queued(facts: dict[str, Any]) -> str:
    """Format the size of the queue, with the number of leased tasks in brackets."""
    return f"{facts['queued']}({facts['locked']})" if facts["locked"] else str(facts["queued"])


def labelled_row(*pairs: tuple[Any, Any]) -> Row:
    """Make a row of pairs of label and value."""
    return [
        cell
        for label, value in pairs
        for cell in (Cell(str(label), "cyan"), Cell("?" if value is None else str(value), "bold"))
    ]


def last_day_cells(day: dict[str, Any] | None) -> tuple[Any, str | None, str | None]:
    """Format the unit, the rate and the average time of the tasks of the last day."""
    if day is None:
        return PER_DAY, None, None
    unit, rate = rate_per_unit(day["tasks"])
    return unit, f"{rate:.2f}", f"{day['average_seconds']:.4f}"


def rate_per_unit(tasks: int) -> tuple[Any, float]:
    """Convert tasks per day to the shortest unit with at least one task: its label and the rate."""
    for seconds, label in RATE_UNITS:
        if tasks * seconds >= DAY_SECONDS:
            return label, tasks * seconds / DAY_SECONDS
    return PER_DAY, float(tasks)


def running_rows(runs: Sequence[dict[str, Any]]) -> list[Row]:
    """Make the table of the tasks that run; nothing where none does."""
    if not runs:
        return []
    titles = (_("Time"), _("Progress"), _("Function"), _("Name"))
    more = len(runs) - MAX_SHOWN_RUNS
    return [
        BLANK_ROW,
        run_row(titles, "cyan"),
        *(line for run in runs[:MAX_SHOWN_RUNS] for line in run_lines(run)),
        *([[Cell(ngettext("%d more row", "%d more rows", more) % more)]] if more > 0 else []),
    ]


def run_lines(run: dict[str, Any]) -> Iterator[Row]:
    """Make the lines of a task: one for it, and one for each thing that is to be said of it."""
    told = progress_text(run["done"], run["total"]).rpartition(" ")[2]
    told = f"{progress_bar(run['done'], run['total'])} {told}".strip()
    yield run_row((duration(run["seconds"]), told, run["func"], run["name"]), "bold")
    for text in remarks(run):
        yield [Cell(f"  {printable(text)}", "yellow", left=True)]


def run_row(texts: Sequence[str], style: str) -> Row:
    """Make a row of the table."""
    return [Cell(text, style, span, left=True) for text, span in zip(texts, RUN_SPANS, strict=True)]
