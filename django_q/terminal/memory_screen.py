"""The screen of qmemory: the memory that the clusters of this host use."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_q.brokers import Broker
from django_q.foreign_code.optional_packages import psutil
from django_q.status import Stat
from django_q.terminal.cluster_screen import HEADER_STYLE
from django_q.terminal.drawing.table import BLANK_ROW, Cell, Row
from django_q.terminal.queue_figures import broker_errors_translated
from django_q.terminal.screen import Screen

MEGABYTE = 1024 * 1024

#: Shown for unknown values: of a process that has ended, or a cluster on another host.
UNKNOWN_TEXT = "-"

#: Title and unit of each column, in two rows so that they fit 80 columns.
MEMORY_COLUMNS: tuple[tuple[Any, str], ...] = (
    (gettext_lazy("Host"), ""),
    (gettext_lazy("Id"), ""),
    (gettext_lazy("Available"), "(%)"),
    (gettext_lazy("Available"), "(MB)"),
    (gettext_lazy("Total"), "(MB)"),
    (gettext_lazy("Sentinel"), "(MB)"),
    (gettext_lazy("Monitor"), "(MB)"),
    (gettext_lazy("Workers"), "(MB)"),
)


@dataclass
class HostMemory:
    """The memory of this host at one moment."""

    host: str = field(default_factory=socket.gethostname)
    percent: float = 0  #: available
    available: float = 0  #: megabytes
    total: float = 0  #: megabytes

    @classmethod
    def measure(cls) -> HostMemory:
        """Read it from the operating system."""
        memory = psutil.virtual_memory()
        return cls(
            percent=round(memory.available * 100 / memory.total, 2),
            available=megabytes(memory.available),
            total=megabytes(memory.total),
        )


@dataclass
class LowestMemory:
    """The least memory that was available since the screen was opened."""

    percent: float = 100.0
    at: str = ""  #: the time of day

    def note(self, percent: float) -> None:
        """Record a percentage if it is the lowest so far."""
        if not self.at or percent < self.percent:
            self.percent, self.at = percent, f"{datetime.now():%H:%M:%S}"

    def text(self) -> str:
        """Describe it for the bottom of the screen."""
        text = _("Available lowest (%%): %(percent).2f (at %(time)s)")
        return text % {"percent": self.percent, "time": self.at}


def megabytes(size: int) -> float:
    """Convert bytes to megabytes."""
    return round(size / MEGABYTE, 2)


def get_process_mb(pid: int) -> float | None:
    """Return the resident memory of a process of this host in megabytes; None without one."""
    try:
        return megabytes(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def rows(
    stats: Sequence[Stat],
    memory: HostMemory,
    measure: Callable[[int], float | None],
    workers: bool = False,
) -> list[Row]:
    """Make a row of each cluster; with ``workers``, rows of its workers below."""
    if not stats:
        return [BLANK_ROW, [Cell(_("No clusters appear to be running."))]]
    table = [cluster_row(stat, memory, measure) for stat in stats]
    if not workers:
        return table
    here = [stat for stat in stats if stat.host == memory.host]
    return [*table, *(row for stat in here for row in worker_rows(stat, measure))]


def cluster_row(stat: Stat, memory: HostMemory, measure: Callable[[int], float | None]) -> Row:
    """Make the row of a cluster; the memory of one on another host is unknown."""
    figures: tuple[Any, ...] = (None,) * 6
    if stat.host == memory.host:
        pool = [measure(pid) or 0 for pid in stat.workers]
        processes = (measure(stat.sentinel), measure(stat.monitor), round(sum(pool), 2))
        figures = (memory.percent, memory.available, memory.total, *processes)
    return [Cell(stat.host), Cell(str(stat.cluster_id)[-8:]), *map(cell, figures)]


def worker_rows(stat: Stat, measure: Callable[[int], float | None]) -> Iterator[Row]:
    """Make rows of titles and values of the workers of a cluster, in the columns of the table."""
    workers_per_row = len(MEMORY_COLUMNS) - 1
    for start in range(0, len(stat.workers), workers_per_row):
        pids = stat.workers[start : start + workers_per_row]
        numbers = range(start + 1, start + 1 + len(pids))
        rest = [""] * (workers_per_row - len(pids))
        titles = [_("Id"), *(_("Worker %d") % number for number in numbers), *rest]
        yield BLANK_ROW
        yield [Cell(title, HEADER_STYLE) for title in titles]
        yield [
            Cell(str(stat.cluster_id)[-8:]),
            *(cell(measure(pid)) for pid in pids),
            *map(Cell, rest),
        ]


def cell(number: float | None) -> Cell:
    """Make the cell of a number of megabytes or a percentage."""
    return Cell(UNKNOWN_TEXT if number is None else f"{number:.2f}")


class MemoryScreen(Screen):
    """The screen of qmemory."""

    def __init__(self, broker: Broker, workers: bool = False) -> None:
        self.broker = broker
        self.workers = workers
        self.lowest = LowestMemory()

    def head(self, width: int) -> list[Row]:
        """Make the rows of column titles."""
        return [
            [Cell(str(text), HEADER_STYLE) for text in texts]
            for texts in zip(*MEMORY_COLUMNS, strict=True)
        ]

    def content(self, width: int) -> tuple[list[Row], list[Row]]:
        """Make the rows of clusters, and the lowest available memory. Raises BrokerUnavailable."""
        with broker_errors_translated(self.broker):
            stats = Stat.get_all(self.broker)
        memory = HostMemory.measure()
        self.lowest.note(memory.percent)
        body = rows(stats, memory, get_process_mb, self.workers)
        return body, [BLANK_ROW, [Cell(self.lowest.text())]]
