"""Run what is queued, and time it."""

from __future__ import annotations

import subprocess

from benchmarks.processes import cpu_seconds
from benchmarks.session import START_TIMEOUT, Session


def drain(session: Session, number: int, stored: subprocess.Popen | None) -> dict[str, float]:
    """Start the cluster and time ``number`` tasks, from the first one's end.

    ``stored`` is a verb that ends when the results are stored, and gives the time at which they
    were.
    """
    limit = session.context.options.limit
    pid = session.start_cluster()
    session.wait_for_records(1, START_TIMEOUT)
    cpu = cpu_seconds(pid)
    session.wait_for_records(number, limit)
    end = session.finish(stored, limit) if stored else 0
    cpu = cpu_seconds(pid) - cpu
    return rates([time for time, _ in session.records()], end, cpu)


def rates(times: list[float], end: float, cpu: float) -> dict[str, float]:
    """Work out the rates; the cluster may have run more than was waited for."""
    first, last, number = times[0], times[-1], len(times) - 1
    return {
        "tasks/s": number / max(last - first, end - first, 1e-6),
        "run/s": number / max(last - first, 1e-6),
        "CPU us/task": cpu / (number + 1) * 1e6,
    }
