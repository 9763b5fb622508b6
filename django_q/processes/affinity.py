"""Bind workers to processors."""

from __future__ import annotations

from collections.abc import Sequence

from django_q.conf import Conf, cpu_count, logger
from django_q.optional import psutil


def set_cpu_affinity(n: int, process_ids: Sequence[int], actual: bool = not Conf.TESTING) -> None:
    """Bind each process to ``n`` processors, in turn around those there are.

    Needs psutil on a platform that has affinity; elsewhere it says so and does nothing. With
    ``actual`` False it only logs.
    """
    if not n or not process_ids:
        return
    if psutil is None or not hasattr(psutil.Process, "cpu_affinity"):
        logger.warning("Q_CLUSTER['cpu_affinity'] needs psutil, and a platform that has affinity")
        return
    for pid, processors in shares(n, process_ids, cpu_count()):
        if actual:
            psutil.Process(pid).cpu_affinity(processors)
        logger.info("%s will use cpu %s", pid, processors)


def shares(n: int, process_ids: Sequence[int], processors: int) -> list[tuple[int, list[int]]]:
    """Deal processors out: ``(pid, processors)`` pairs, ``n`` each, starting over at the end."""
    n = min(n, processors)
    return [
        (pid, [(index * n + offset) % processors for offset in range(n)])
        for index, pid in enumerate(process_ids)
    ]
