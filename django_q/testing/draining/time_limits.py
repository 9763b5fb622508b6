"""Heed the time limit of a task in a test, where a main thread allows that."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django_q.execution.execution import soft_time_limit, time_limit
from django_q.execution.time_limit import HAS_SETITIMER, MIN_ALARM_SECONDS, Alarm
from django_q.wire.package import TaskPackage


@contextmanager
def alarm_for(
    package: TaskPackage, find_cancellation: Callable[[], str | None]
) -> Iterator[Alarm | None]:
    """Give the alarm that ends a task at its time limit; None where it has none, or can have none.

    The signal belongs to the test, or to its runner: its handler and timer are restored.
    """
    has_limit = time_limit(package) or soft_time_limit(package)
    is_main = threading.current_thread() is threading.main_thread()
    if not (has_limit and is_main and HAS_SETITIMER):
        yield None
        return
    handler, began = signal.getsignal(signal.SIGALRM), time.monotonic()
    seconds, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    alarm = Alarm(lambda: None, 0.0, find_cancellation)
    alarm.install()
    try:
        yield alarm
    finally:
        alarm.end_batch()
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if seconds:
            left = seconds - (time.monotonic() - began)
            signal.setitimer(signal.ITIMER_REAL, max(left, MIN_ALARM_SECONDS), interval)
