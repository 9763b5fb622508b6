"""Bind workers to processors."""

from __future__ import annotations

from collections.abc import Sequence

from django_q.conf import Conf, logger
from django_q.foreign_code.optional_packages import psutil
from django_q.text.error_text import error_summary


def set_cpu_affinity(n: int, process_ids: Sequence[int], actual: bool | None = None) -> None:
    """Bind each process to ``n`` processors, in turn around those that this one may use.

    Needs psutil and a platform that has affinity; without, it only logs a warning. With
    ``actual`` False, as in tests, it logs and binds nothing.
    """
    for index, pid in enumerate(process_ids):
        bind_to_processors(n, pid, index, actual)


def bind_to_processors(n: int, pid: int, index: int, actual: bool | None = None) -> None:
    """Bind the process with this index to its ``n`` processors."""
    if not n:
        return
    if psutil is None or not hasattr(psutil.Process, "cpu_affinity"):
        logger.warning("Q_CLUSTER['cpu_affinity'] needs psutil, and a platform that has affinity")
        return
    processors = processors_for_index(n, index, psutil.Process().cpu_affinity())
    try:
        if not Conf.TESTING if actual is None else actual:
            psutil.Process(pid).cpu_affinity(processors)
    except (psutil.Error, OSError, ValueError) as error:
        logger.warning("%s can not be bound to cpu %s: %s", pid, processors, error_summary(error))
        return
    logger.info("%s will use cpu %s", pid, processors)


def processors_for_index(n: int, index: int, processors: Sequence[int]) -> list[int]:
    """Choose the ``n`` processors of an index, in turn around the list."""
    n, total = min(n, len(processors)), len(processors)
    return [processors[(index * n + offset) % total] for offset in range(n)]
