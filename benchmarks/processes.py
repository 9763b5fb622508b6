"""What a tree of processes takes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """List a process and those below it."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def end(process: subprocess.Popen) -> None:
    """Kill a process that leads a session of its own, with all below it."""
    members = tree(process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
    psutil.wait_procs(members, timeout=10)


def cpu_seconds(pid: int) -> float:
    """Add up the processor time, that of children which have ended included."""
    total = 0.0
    for process in tree(pid):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            own = max(times.user + times.system, exact_seconds(process.pid))
            total += own + times.children_user + times.children_system
    return total


def exact_seconds(pid: int) -> float:
    """Read the time of living threads, which Linux has in nanoseconds and otherwise in ticks."""
    total = 0
    with contextlib.suppress(OSError):
        for file in Path("/proc", str(pid)).glob("task/*/schedstat"):
            total += int(file.read_text().split()[0])
    return total / 1e9


def memory(pid: int) -> dict[str, float]:
    """Add up the memory in MiB; PSS counts a page that processes share once."""
    total: dict[str, float] = {}
    for process in tree(pid):
        with contextlib.suppress(psutil.Error):
            found = process.memory_full_info()
            for name in ("pss", "uss", "rss"):
                if hasattr(found, name):
                    column = f"{name.upper()} MiB"
                    total[column] = total.get(column, 0) + getattr(found, name) / 2**20
    return total
