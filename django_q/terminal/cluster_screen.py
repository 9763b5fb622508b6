"""The screen of qmonitor: the clusters, and the tasks that their workers run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_q.brokers import Broker
from django_q.conf import Conf
from django_q.status import Stat
from django_q.terminal.drawing.table import BLANK_ROW, Cell, Row
from django_q.terminal.queue_figures import (
    Figures,
    FiguresReader,
    broker_errors_translated,
    figure_text,
)
from django_q.terminal.screen import Screen
from django_q.text.printable import printable
from django_q.unfinished.running import progress_column

#: A terminal with at least so many columns also shows the queue and the running tasks.
WIDE_TERMINAL_COLUMNS = 160
#: Columns of the table that the running tasks take there.
RUNNING_SPAN = 7

HEADER_STYLE = "black_on_green"
SUMMARY_STYLE = "black_on_cyan"


@dataclass(frozen=True)
class Column:
    """A column of the table of clusters."""

    title: str | Promise
    text: Callable[[Stat], Any]
    style: Callable[[Stat], str] = lambda stat: ""


def state_style(stat: Stat) -> str:
    """Choose the colour of the state of a cluster."""
    colours = {
        Conf.WORKING: "green",
        Conf.STARTING: "yellow",
        Conf.STOPPING: "yellow",
        Conf.STOPPED: "red",
    }
    return colours.get(stat.status, "")


def pool_style(stat: Stat) -> str:
    """Choose the colour of the number of workers: yellow if some are missing."""
    return "yellow" if len(stat.workers) < (stat.pool_size or Conf.WORKERS) else ""


def task_queue_style(stat: Stat) -> str:
    """Choose the colour of the task queue: cyan if tasks wait, green if it is full."""
    if Conf.QUEUE_LIMIT and stat.task_q_size >= Conf.QUEUE_LIMIT:
        return "green"
    return "cyan" if stat.task_q_size else ""


def result_queue_style(stat: Stat) -> str:
    """Choose the colour of the result queue: cyan if results wait."""
    return "cyan" if stat.done_q_size else ""


CLUSTER_COLUMNS = (
    Column(gettext_lazy("Host"), lambda stat: stat.host),
    Column(gettext_lazy("Id"), lambda stat: str(stat.cluster_id)[-8:]),
    Column(gettext_lazy("State"), lambda stat: stat.status, state_style),
    Column(gettext_lazy("Pool"), lambda stat: len(stat.workers), pool_style),
    Column(gettext_lazy("TQ"), lambda stat: stat.task_q_size, task_queue_style),
    Column(gettext_lazy("RQ"), lambda stat: stat.done_q_size, result_queue_style),
    Column(gettext_lazy("RC"), lambda stat: stat.reincarnations),
    Column(gettext_lazy("Up"), lambda stat: duration(stat.uptime())),
)
#: The further column of a wide terminal.
QUEUE_COLUMN = Column(gettext_lazy("Queue"), lambda stat: stat.queue)


def duration(seconds: float) -> str:
    """Format seconds as H:MM:SS."""
    minutes, second = divmod(max(int(seconds), 0), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def columns_for(wide: bool) -> tuple[Column, ...]:
    """Choose the columns of the table of clusters."""
    return (*CLUSTER_COLUMNS, QUEUE_COLUMN) if wide else CLUSTER_COLUMNS


def header(wide: bool = False) -> Row:
    """Make the row of column titles."""
    titles = [Cell(str(column.title), HEADER_STYLE) for column in columns_for(wide)]
    return [*titles, running_cell(_("Running"), HEADER_STYLE)] if wide else titles


def rows(stats: Sequence[Stat], wide: bool = False) -> list[Row]:
    """Make a row of each cluster; on a wide terminal, a further row for each further task."""
    if not stats:
        return [BLANK_ROW, [Cell(_("No clusters appear to be running."))]]
    return [row for stat in stats for row in (wide_rows(stat) if wide else [cells(stat)])]


def cells(stat: Stat, wide: bool = False) -> list[Cell]:
    """Make the cells of a cluster, one for each column."""
    return [Cell(str(column.text(stat)), column.style(stat)) for column in columns_for(wide)]


def wide_rows(stat: Stat) -> list[Row]:
    """Make the row of a cluster with its first running task, and those of the others."""
    own, none = cells(stat, wide=True), [Cell() for _column in columns_for(wide=True)]
    lines = zip_longest([own], running_tasks(stat) or [""], fillvalue=None)
    return [[*(row or none), running_cell(text or "")] for row, text in lines]


def running_tasks(stat: Stat) -> list[str]:
    """Describe what each worker runs, the longest running first.

    Where one tells its progress there is a column of it.
    """
    known = {run["pid"]: run for run in stat.running}
    tasks = sorted(stat.current, key=lambda task: -task[3])
    told = [progress_column(known.get(pid, {})) for pid, *_rest in tasks]
    width = max(map(len, told), default=0)
    lines = (
        (duration(seconds), text.ljust(width), str(pid), func, name)
        for (pid, name, func, seconds), text in zip(tasks, told, strict=True)
    )
    return ["  ".join(filter(None, line)) for line in lines]


def running_cell(text: str, style: str = "") -> Cell:
    """Make a cell of the column of running tasks."""
    return Cell(text, style, span=RUNNING_SPAN, left=True)


def summary_rows(figures: Figures) -> list[Row]:
    """Make the rows below the clusters: the queue and the results in numbers."""
    queued = f"{figures.queued}({figures.locked})" if figures.locked else str(figures.queued)
    # Not inside the f-string, where xgettext finds no messages.
    numbers = (
        (_("Queued"), queued),
        (_("Success"), figure_text(figures.successes)),
        (_("Failures"), figure_text(figures.failures)),
    )
    summary = (figures.broker, *(f"{label} {number}" for label, number in numbers))
    line: Row = [Cell(text, SUMMARY_STYLE) for text in summary]
    return [
        BLANK_ROW,
        line,
        *delayed_rows(figures.delayed),
        *hold_rows(figures.holds),
        *dead_letter_rows(figures.dead),
    ]


def delayed_rows(number: int) -> list[Row]:
    """Make the row that tells of delayed tasks, if there are any."""
    text = ngettext("%d task is delayed.", "%d tasks are delayed.", number)
    return [[Cell(text % number, "cyan")]] if number else []


def hold_rows(holds: Mapping[str, str]) -> list[Row]:
    """Make the rows that tell what holds queues back, by their names."""
    return [[Cell(hold_sentence(name, holds[name]), "yellow")] for name in sorted(holds)]


def hold_sentence(queue: str, hold: str) -> str:
    """Say what holds a queue back."""
    return _("Queue '%(queue)s': %(holds)s.") % {"queue": printable(queue), "holds": hold}


def dead_letter_rows(number: int) -> list[Row]:
    """Make the row that warns of dead letters, if there are any."""
    if not number:
        return []
    text = ngettext(
        "%d package could not be decoded and was put aside.",
        "%d packages could not be decoded and were put aside.",
        number,
    )
    return [[Cell(text % number, "red")]]


class ClusterScreen(Screen):
    """The screen of qmonitor."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.figures_reader = FiguresReader(broker)
        self.stats: list[Stat] = []  #: those that were read last

    def head(self, width: int) -> list[Row]:
        """Make the row of column titles."""
        return [header(width >= WIDE_TERMINAL_COLUMNS)]

    def content(self, width: int) -> tuple[list[Row], list[Row]]:
        """Make the rows of clusters, and the summary. Raises BrokerUnavailable."""
        with broker_errors_translated(self.broker):
            self.stats = Stat.get_all(self.broker)
            figures = self.figures_reader.read([stat.queue for stat in self.stats])
        return rows(self.stats, width >= WIDE_TERMINAL_COLUMNS), summary_rows(figures)
