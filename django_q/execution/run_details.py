"""What the row of a task tells of its run: which process ran it, and of which kind a failure is."""

from __future__ import annotations

import os
import re
import socket
import time
from functools import cache, lru_cache
from hashlib import md5
from traceback import walk_tb
from types import FrameType
from typing import Any

from django_q.conf import Conf
from django_q.exceptions import TimeoutException
from django_q.text.function_names import dotted_name, exception_path
from django_q.wire.package import TaskPackage

#: Names of folders with the code of installed packages.
LIBRARY_FOLDERS = frozenset({"site-packages", "dist-packages"})
#: Folders of the code of this package, and of Python's own.
OWN_FOLDER = os.path.dirname(os.path.dirname(__file__)) + os.sep
STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep


def process_name(pid: int) -> str:
    """Name a process of this host, by the host and the pid as heartbeats have them."""
    return f"{socket.gethostname()}:{pid}"


@cache
def worker_name() -> str:
    """Name this process. It is asked for each task."""
    return process_name(os.getpid())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=worker_name.cache_clear)


def note_run(package: TaskPackage, seconds: float) -> None:
    """Note in a package that its task has run in this process, for so many seconds until now.

    When it began is worked out from that: so the clock, if it is set meanwhile, does not lengthen
    the run.
    """
    package["begun"] = time.time() - seconds
    package["worker"] = worker_name()


def log_fields(package: TaskPackage) -> dict[str, Any]:
    """Return the ``extra`` of a log line about a task: what programs that read logs look for.

    Only what is in its package as it is.
    """
    return {
        "task_id": package.get("id"),
        "task_name": package.get("name"),
        "task_func": dotted_name(package["func"]),
        "task_attempt": package.get("attempt", 1),
        "task_queue": package.get("cluster") or Conf.CLUSTER_NAME,
    }


def describe_failure(error: BaseException, func: Any) -> dict[str, str]:
    """Return what a package says of the exception that ended its task: ``exception``, its class,
    and ``fingerprint``, which failures of one kind share.

    These are of one kind: the same class, raised below the same function of the project. Where
    that is unknown, or chance as with a time limit, the function of the task, ``func``, counts.
    """
    path = exception_path(type(error))
    is_time_limit = isinstance(error, TimeoutException) and error.ends_task
    place = "" if is_time_limit else failure_place(error)
    return {"exception": path, "fingerprint": fingerprint(path, place or dotted_name(func))}


def fingerprint(*parts: str) -> str:
    """Digest parts to 32 hexadecimal digits."""
    text = "\n".join(parts).encode(errors="surrogatepass")
    return md5(text, usedforsecurity=False).hexdigest()


def failure_place(error: BaseException) -> str:
    """Name the last function of the project in a traceback; without any, the last of a library.

    Module and function without the line, so that the name survives other changes of the module.
    Empty if only functions of this package were called.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    own = [frame for frame in frames if not is_library_file(frame.f_code.co_filename)]
    last = (own or frames)[-1:]
    return "".join(
        place_name(frame) for frame in last if not frame.f_code.co_filename.startswith(OWN_FOLDER)
    )


@lru_cache(maxsize=1024)
def is_library_file(file: str) -> bool:
    """Return True if a file is none of the project: installed, Python's or this package's."""
    return (
        file.startswith(("<", OWN_FOLDER, STANDARD_LIBRARY))  # "<frozen os>": no file at all
        or not LIBRARY_FOLDERS.isdisjoint(re.split(r"[\\/]", file))
    )


def place_name(frame: FrameType) -> str:
    """Name the function of a frame; code without a module by its file."""
    code, module = frame.f_code, frame.f_globals.get("__name__")
    return f"{module or os.path.basename(code.co_filename)}.{code.co_name}"
