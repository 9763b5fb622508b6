"""Detect and explain too many open files, and keep closed standard streams from being reused."""

from __future__ import annotations

import errno
import os

from django_q.conf import Conf
from django_q.foreign_code.optional_packages import resource


def is_open_files_error(error: BaseException) -> bool:
    """Whether an error, or one that it was raised from, is about too many open files."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno in (errno.EMFILE, errno.ENFILE):
            return True
        found = found.__cause__ or found.__context__
    return False


def open_files_message() -> str:
    """Explain that a cluster can not open the files that it needs, and what to do."""
    limit = f" of {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}" if resource else ""
    return (
        f"A cluster of {Conf.WORKERS} workers can not open the files it needs: the limit of this "
        f"process{limit} is used up. Raise it, as with 'ulimit -n' or LimitNOFILE= of systemd."
    )


def open_closed_streams() -> None:
    """Open ``/dev/null`` for standard streams that are closed.

    Else the next socket or file would get their number, and Python writes to number 2 when it
    crashes.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number
