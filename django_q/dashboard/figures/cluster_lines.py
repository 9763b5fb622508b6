"""The clusters and what their workers run, by their heartbeats."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_q.conf import Conf
from django_q.dashboard.display import (
    badge,
    coarse_duration,
    duration,
    progress_cell,
    wrapping_path,
)
from django_q.foreign_code.optional_packages import psutil
from django_q.humanhash import humanize
from django_q.status import Stat
from django_q.unfinished.progress import progress_of

#: Tasks that run and are shown at most, the longest running first.
MAX_RUN_LINES = 100
#: The processes of a cluster beside its workers, by their names in a heartbeat.
ROLES = {
    "sentinel": gettext_lazy("Sentinel"),
    "pusher": gettext_lazy("Pusher"),
    "monitor": gettext_lazy("Monitor"),
    "scheduler": gettext_lazy("Scheduler"),
}
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class RunLine:
    """A task that a worker runs."""

    task_id: str
    name: str
    func: str
    group: str
    queue: str
    host: str
    pid: int
    #: For how long it has run, in words.
    duration: str
    progress: SafeString
    attempt: int
    #: Who has cancelled it, if anybody has.
    cancelled: str

    @property
    def function(self) -> SafeString:
        """The function, which may wrap."""
        return wrapping_path(self.func)


@dataclass(frozen=True)
class ProcessLine:
    """A process of a cluster."""

    role: str
    pid: int
    #: Mebibytes; empty where nobody knows it.
    memory: str
    run: RunLine | None = None


@dataclass(frozen=True)
class ClusterLine:
    """A cluster."""

    cluster_id: str
    name: str
    host: str
    pid: int
    queue: str
    state: SafeString
    uptime: str
    workers: int
    pool_size: int
    restarts: int
    #: Tasks that it has taken and no worker has begun, and results that are not saved yet.
    prefetched: int
    unsaved: int
    runs: list[RunLine] = field(default_factory=list)
    processes: list[ProcessLine] = field(default_factory=list)

    @property
    def lacks_workers(self) -> bool:
        """Whether it has fewer workers than it should have."""
        return self.workers < self.pool_size


def cluster_lines(stats: Sequence[Stat]) -> list[ClusterLine]:
    """Describe clusters."""
    return [cluster_line(stat) for stat in stats]


def cluster_line(stat: Stat) -> ClusterLine:
    """Describe a cluster."""
    return ClusterLine(
        cluster_id=str(stat.cluster_id),
        name=stat.name or cluster_words(stat),
        host=stat.host,
        pid=stat.pid,
        queue=stat.queue,
        state=state_badge(stat),
        uptime=coarse_duration(stat.uptime()),
        workers=len(stat.workers),
        pool_size=stat.pool_size,
        restarts=stat.reincarnations,
        prefetched=stat.task_q_size,
        unsaved=stat.done_q_size,
        runs=runs_of(stat),
    )


def cluster_words(stat: Stat) -> str:
    """Name a cluster that does not name itself."""
    return humanize(stat.cluster_id.hex) if hasattr(stat.cluster_id, "hex") else str(stat.pid)


def state_badge(stat: Stat) -> SafeString:
    """Show the state of a cluster."""
    kinds = {Conf.WORKING: "good", Conf.IDLE: "good", Conf.STOPPED: "bad"}
    return badge(kinds.get(stat.status, "busy"), stat.status)


def run_lines(stats: Sequence[Stat]) -> list[RunLine]:
    """Describe the tasks that run, the longest running first; at most 100."""
    runs = [(run["seconds"], stat, run) for stat in stats for run in known_runs(stat)]
    runs.sort(key=lambda each: -each[0])
    return [run_line(stat, run) for _seconds, stat, run in runs[:MAX_RUN_LINES]]


def runs_of(stat: Stat) -> list[RunLine]:
    """Describe what the workers of a cluster run."""
    return run_lines([stat])


def known_runs(stat: Stat) -> list[dict]:
    """List what the workers of a cluster run; earlier releases tell less of it."""
    if stat.running or not stat.current:
        return stat.running
    return [
        {"pid": pid, "id": "", "name": name, "func": func, "group": "", "attempt": 0,
         "seconds": seconds}
        for pid, name, func, seconds in stat.current
    ]  # fmt: skip


def run_line(stat: Stat, run: dict) -> RunLine:
    """Describe a task that a worker runs."""
    return RunLine(
        task_id=run["id"],
        name=run["name"],
        func=run["func"],
        group=run["group"],
        queue=stat.queue,
        host=stat.host,
        pid=run["pid"],
        duration=(coarse_duration if run["seconds"] < 60 else duration)(run["seconds"]),
        progress=progress_cell(*progress_of(run)),
        attempt=run["attempt"],
        cancelled=run.get("cancelled") or "",
    )


def process_lines(stat: Stat) -> list[ProcessLine]:
    """Describe the processes of a cluster, its workers last, with their memory if they are here."""
    is_here = psutil is not None and stat.host == socket.gethostname()
    runs = {run.pid: run for run in runs_of(stat)}
    pids = [(str(title), getattr(stat, name)) for name, title in ROLES.items()]
    pids += [(_("Worker"), pid) for pid in stat.workers]
    return [
        ProcessLine(role, pid, memory_text(pid) if is_here else "", runs.get(pid))
        for role, pid in pids
        if pid
    ]


def memory_text(pid: int) -> str:
    """Return the memory of a process of this host in mebibytes; empty if it can not be read."""
    try:
        return f"{psutil.Process(pid).memory_info().rss / MEBIBYTE:.0f} MiB"
    except psutil.Error:
        return ""
