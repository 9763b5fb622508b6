"""Functions that tests enqueue, one outcome each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone, translation

import django_q
from django_q.exceptions import Retry
from django_q.servers import connections


def multiply(x: Any, y: Any) -> Any:
    """Return a product."""
    return x * y


def echo(*args: Any, **kwargs: Any) -> tuple:
    """Return what came in."""
    return args, kwargs


def nothing() -> None:
    """Return nothing."""


def raise_error(text: str = "as asked") -> None:
    """Fail."""
    raise ValueError(text)


def raise_system_exit() -> None:
    """Fail with an exception that is not an ``Exception``."""
    raise SystemExit("as asked")


def sleep_for(seconds: float) -> float:
    """Return after a while."""
    time.sleep(seconds)
    return seconds


def sleep_deaf(seconds: float) -> None:
    """Swallow each attempt to end it, for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            time.sleep(deadline - time.monotonic())
        except BaseException:  # the worst a task can do
            continue


def leave_thread(seconds: float) -> None:
    """Start a thread that goes on when the task is over, and that Python waits for at the end."""
    threading.Thread(target=time.sleep, args=(seconds,)).start()


def leave_thread_and_sleep(seconds: float) -> None:
    """Start such a thread, and sleep as well."""
    leave_thread(seconds)
    time.sleep(seconds)


def leave_process(seconds: float) -> None:
    """Start a process that goes on when the task is over, and that Python waits for at the end."""
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(seconds,)).start()


def exit_now(code: int = 1) -> None:
    """End the worker without a word."""
    os._exit(code)


def kill_self(number: int = signal.SIGKILL) -> None:
    """End the worker by a Unix signal."""
    os.kill(os.getpid(), number)


def speak_german(task: Any = None) -> None:
    """Leave another language and time zone active; also as a hook."""
    translation.activate("de")
    timezone.activate("Asia/Tokyo")


def language_and_time_zone() -> tuple[str | None, str]:
    """Return the language and the time zone that are active."""
    return translation.get_language(), timezone.get_current_timezone_name()


def log_statement() -> int:
    """Execute a statement that is logged, as with DEBUG; return how many are logged by then."""
    connection.force_debug_cursor = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return len(connection.queries)


def close_streams() -> None:
    """Leave nothing to write to."""
    sys.stdout.close()
    sys.stderr.close()


def unpicklable() -> Any:
    """Return what can not be pickled."""
    return threading.Lock()


def worker_pid() -> int:
    """Return the pid of the worker."""
    return os.getpid()


def has_opened_a_connection() -> bool:
    """Tell whether the process takes itself for one that has opened a database connection."""
    return connections.OpenedConnections.any


def touch(path: str) -> None:
    """Leave a trace: one more line in a file."""
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")


def trace(path: str, number: int, seconds: float) -> int:
    """Leave a number in a file, then take a while."""
    with open(path, "a") as file:
        file.write(f"{number}\n")
    time.sleep(seconds)
    return number


def trace_package(path: str, name: str, seconds: float) -> str:
    """Leave a name and the directory of the package that runs it in a file, then take a while."""
    directory = Path(django_q.__file__).parent.parent
    with open(path, "a") as file:
        file.write(f"{name} {directory}\n")
    time.sleep(seconds)
    return name


def trace_at_length(path: str, number: int, length: int) -> str:
    """Leave a number in a file, and return a long text."""
    trace(path, number, 0)
    return "x" * length


def sleep_until_there(path: str) -> None:
    """Return when a file is there."""
    while not os.path.exists(path):
        time.sleep(0.01)


def touch_and_sleep(path: str, seconds: float) -> None:
    """Leave a trace, then take a while."""
    touch(path)
    time.sleep(seconds)


def fail_until(path: str, times: int) -> int:
    """Fail the first ``times`` runs, counted in a file; then return the number of runs."""
    touch(path)
    with open(path) as file:
        runs = len(file.readlines())
    if runs <= times:
        raise ValueError(f"run {runs}")
    return runs


def count_letters(text: str) -> int:
    """Return the length of a text."""
    return len(text)


class Report:
    """Stands on a file: it can be pickled, and read while the file is there."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        Path(self.path).read_bytes()


class Deadly:
    """Ends the process that reads it, as a fault in a C extension does."""

    def __reduce__(self) -> tuple:
        return os._exit, (7,)


class Endless:
    """Is never read to its end."""

    def __reduce__(self) -> tuple:
        return time.sleep, (3600,)


class Calculator:
    """A callable that is not a function."""

    def __call__(self, x: int) -> int:
        return x + 1

    def add(self, x: int, y: int) -> int:
        """Return a sum."""
        return x + y


class Counter:
    """Has a class method, for those that inherit it as well."""

    step = 1

    @classmethod
    def made(cls, number: int) -> int:
        """Fail, naming the class."""
        raise ValueError(f"{cls.__name__} {cls.step * number}")


class FastCounter(Counter):
    """Inherits it."""

    step = 2


def large() -> str:
    """Return what is larger than a small package may be."""
    return "x" * 5000


#: Results that hooks of this process have seen.
hooked: list = []


def hook(task: Any) -> None:
    """Note a finished task."""
    hooked.append(task)


def raise_in_hook(task: Any) -> None:
    """Fail as a hook."""
    raise ValueError("in the hook")


def write_name(task: Any) -> None:
    """As a hook, write the task's name to the file that was its argument."""
    with open(task.args[0], "w") as file:
        file.write(task.name)


def leave_thread_in_hook(task: Any) -> None:
    """Start a thread that goes on when the hook is over."""
    leave_thread(300)


def sleep_in_hook(task: Any) -> None:
    """As a hook, take longer than leases last in the test that uses it."""
    time.sleep(7)


def retry_until(path: str, times: int, after: float | None = None) -> int:
    """Ask to be run again the first ``times`` runs, counted in a file; then return their number."""
    touch(path)
    with open(path) as file:
        runs = len(file.readlines())
    if runs <= times:
        raise Retry(f"run {runs}", after=after)
    return runs
