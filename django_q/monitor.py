"""What ``qmonitor``, ``qinfo`` and ``qmemory`` print: screens, reports, settings and checks."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from django.utils.translation import gettext as _

from django_q.brokers import Broker, adapt_broker, get_broker
from django_q.foreign_code.optional_packages import psutil
from django_q.processes.monitor import monitor as save_results
from django_q.results.cache import save as save_cached
from django_q.results.saving import save_task
from django_q.status import Stat, Status
from django_q.terminal import configuration, health, report
from django_q.terminal.cluster_screen import ClusterScreen
from django_q.terminal.drawing.draw import draw, terminal_for
from django_q.terminal.interactive import loop as interactive
from django_q.terminal.memory_screen import MemoryScreen, get_process_mb
from django_q.terminal.queue_figures import broker_errors_translated
from django_q.terminal.screen import show
from django_q.text.strict_json import strict_json

__all__ = [
    "Stat",
    "Status",
    "check",
    "get_ids",
    "get_process_mb",
    "info",
    "info_json",
    "memory",
    "monitor",
    "save_cached",
    "save_task",
    "settings",
]


def monitor(
    run_once: Any = False,
    broker: Broker | None = None,
    *,
    result_queue: Any = None,
    out: TextIO | None = None,
    classic: bool = False,
) -> list[Stat] | None:
    """Show the clusters and what they do, until the user quits; with ``run_once``, once.

    In a terminal with a keyboard there are views and orders, unless ``classic`` asks for the table
    of clusters alone. Returns the heartbeats that were shown last. With ``run_once``, raises
    BrokerUnavailable if the broker does not answer; otherwise the screen says so, and the broker is
    asked again.

    Called with a queue, this is the monitor process, which django-q2 has under this name.
    """
    queue = run_once if hasattr(run_once, "get") else result_queue
    if queue is not None:
        return save_results(queue, broker)
    broker = broker_or_default(broker)
    term = terminal_for(out, interactive=not run_once)
    if term.has_keys and not run_once and not classic:
        return interactive.run(term, broker)
    screen = ClusterScreen(broker)
    show(screen, bool(run_once), term)
    return screen.stats


def memory(
    run_once: bool = False,
    workers: bool = False,
    broker: Broker | None = None,
    *,
    out: TextIO | None = None,
) -> None:
    """Show the memory that the clusters of this host use; with ``workers``, also each worker's."""
    if psutil is None:
        print_text(_("qmemory needs psutil: pip install psutil"), out)
        return
    term = terminal_for(out, interactive=not run_once)
    show(MemoryScreen(broker_or_default(broker), workers), run_once, term)


def info(
    broker: Broker | None = None, host: str | None = None, *, out: TextIO | None = None
) -> bool:
    """Print a summary of clusters, queue and results; return True."""
    facts = report.collect(broker_or_default(broker), host)
    draw(terminal_for(out), report.rows(facts))
    return True


def info_json(
    broker: Broker | None = None, host: str | None = None, *, out: TextIO | None = None
) -> None:
    """Print the figures of ``info()`` and the heartbeats as JSON."""
    facts = report.collect(broker_or_default(broker), host)
    print_text(strict_json(facts, indent=2), out)


def settings(*, out: TextIO | None = None) -> None:
    """Print the settings in force, without secrets."""
    print_text("\n".join(configuration.setting_lines()), out)


def get_ids(
    broker: Broker | None = None, host: str | None = None, *, out: TextIO | None = None
) -> bool:
    """Print the id of each cluster in a line of its own; return True."""
    broker = broker_or_default(broker)
    with broker_errors_translated(broker):
        stats = report.on_host(Stat.get_all(broker), host)
    ids = "\n".join(str(stat.cluster_id) for stat in stats)
    print_text(ids or _("No clusters appear to be running."), out)
    return True


def check(
    broker: Broker | None = None, host: str | None = None, *, out: TextIO | None = None
) -> None:
    """Print which cluster serves this queue. Raises Unhealthy or BrokerUnavailable if none does."""
    print_text(health.check(broker_or_default(broker), host), out)


def broker_or_default(broker: Any) -> Broker:
    """Return the broker, or that of the settings, adapted to have all methods needed here."""
    return adapt_broker(broker or get_broker())


def print_text(text: str, out: TextIO | None) -> None:
    """Print lines in one write: the output of a command adds a new line to each write."""
    (out or sys.stdout).write(f"{text}\n")
