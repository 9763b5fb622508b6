"""Tasks that do what no task should."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django_q.tasks import async_task
from tests.faults.tasks import leave

if TYPE_CHECKING:
    from tests.faults.driver import Run


def fork() -> str:
    """Fork, and let the child return too."""
    return "child" if os.fork() == 0 else "parent"


def fork_and_leave(path: str) -> None:
    """Fork a child that outlives the task."""
    if os.fork() == 0:
        time.sleep(1)
        leave(path, "hooked", 9999)
        os._exit(0)


def start_program() -> int:
    """Start a program and wait for it."""
    return subprocess.run([sys.executable, "-c", "raise SystemExit(3)"]).returncode


def exhaust_descriptors() -> int:
    """Open files until there are no more descriptors, and leave them open."""
    kept = []
    globals()["kept_open"] = kept
    with contextlib.suppress(OSError):
        while True:
            kept.append(os.open("/dev/null", os.O_RDONLY))
    return len(kept)


def leak_memory() -> int:
    """Keep 64 MB for ever."""
    globals().setdefault("leaked", []).append(bytearray(64 * 1024 * 1024))
    return 64


def fill_memory() -> None:
    """Take more memory than this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, hard))
    try:
        globals()["filled"] = bytearray(4 << 30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def run_out_of_processor_time() -> None:
    """Be killed by the kernel, as it does when memory is short: SIGKILL without a warning."""
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    while True:
        pass


def print_megabytes() -> int:
    """Write five megabytes to both standard streams."""
    for _ in range(5):
        print("x" * 1024 * 1024)
        print("y" * 1024 * 1024, file=sys.stderr)
    return 5


def close_streams() -> None:
    """Close what is written to."""
    for number in (0, 1, 2):
        os.close(number)


def close_everything() -> None:
    """Close every descriptor of the process, the queues' as well."""
    os.closerange(3, 1024)


def exit_quietly() -> None:
    """End the process with success."""
    os._exit(0)


def raise_it(name: str) -> None:
    """Raise an exception that is not an ``Exception``."""
    raise {
        "SystemExit": SystemExit,
        "KeyboardInterrupt": KeyboardInterrupt,
        "GeneratorExit": GeneratorExit,
    }[name]("as asked")


def block_alarm(seconds: float) -> str:
    """Block the signal that time limits use, and take a while."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(seconds)
    return "slept"


def take_alarm() -> str:
    """Use the signal that time limits use for oneself."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return "taken"


def ignore_signals() -> None:
    """Ignore what asks a process to end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)


def segfault() -> None:
    """Read from address zero."""
    faulthandler.disable()
    ctypes.string_at(0)


def recurse(depth: int = 0) -> int:
    """Call itself for ever."""
    return recurse(depth + 1)


def overflow_stack() -> int:
    """Recurse until the C stack is full: a segmentation fault, or an error where Python sees it."""
    sys.setrecursionlimit(1 << 30)
    nested: list = []
    for _ in range(1_000_000):
        nested = [nested]
    return len(repr(nested))


def change_directory() -> None:
    """Leave the directory, and unset the environment."""
    os.chdir("/")
    os.environ.clear()


def kill_parent() -> None:
    """Ask the sentinel to end."""
    os.kill(os.getppid(), signal.SIGTERM)


class Unreadable:
    """A result that can be pickled and not be read."""

    def __reduce__(self) -> tuple:
        return int, ("no number",)


def return_unreadable() -> Unreadable:
    """Return what can not be unpickled."""
    return Unreadable()


def return_nested() -> list:
    """Return what is nested too deep to be pickled."""
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def raise_unprintable() -> None:
    """Raise what can not be printed."""

    class Unprintable(Exception):
        def __repr__(self) -> str:
            raise ValueError("no")

        __str__ = __repr__

    raise Unprintable


@dataclass
class Deed:
    """A misbehaving task: how it is called and how it must end."""

    func: str
    args: tuple = ()
    options: dict | None = None
    success: bool | None = False  # None: either will do, as long as it ends
    result: str = ""  # what its result contains
    repeats: bool = False  # it ends its worker, and others' tasks that this one held repeat


DEEDS = [
    Deed("fork", success=True, result="parent"),
    Deed("fork_and_leave", ("{trace}",), success=True),
    Deed("start_program", success=True, result="3"),
    Deed("exhaust_descriptors", success=None),
    Deed("leak_memory", success=True, result="64"),
    Deed("fill_memory", result="MemoryError"),
    Deed("run_out_of_processor_time", result="SIG", repeats=True),
    Deed("print_megabytes", success=True, result="5"),
    Deed("close_streams", success=True),
    Deed("close_everything", success=None, repeats=True),
    Deed("exit_quietly", result="code 0", repeats=True),
    Deed("raise_it", ("SystemExit",), result="SystemExit"),
    Deed("raise_it", ("KeyboardInterrupt",), result="KeyboardInterrupt"),
    Deed("raise_it", ("GeneratorExit",), result="GeneratorExit"),
    Deed("block_alarm", (30,), {"timeout": 0.5}, result="time limit", repeats=True),
    Deed("take_alarm", success=True, result="taken"),
    Deed("ignore_signals", success=True),
    Deed("segfault", result="SIGSEGV", repeats=True),
    Deed("recurse", result="RecursionError"),
    Deed("overflow_stack", success=None, repeats=True),
    Deed("change_directory", success=True),
    Deed("return_unreadable", success=True, result="stored as text"),
    Deed("return_nested", success=True),
    Deed("raise_unprintable", result="its text can not be had"),
]


def misbehave(run: Run, deed: Deed) -> str:
    """Enqueue a task that misbehaves; its id."""
    args = [str(run.trace_file) if arg == "{trace}" else arg for arg in deed.args]
    for _ in range(3 if deed.repeats else 0):
        run.lapse()
    path = f"tests.faults.misbehaviour.{deed.func}"
    return async_task(path, *args, broker=run.broker, **(deed.options or {}))
