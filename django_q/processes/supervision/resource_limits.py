"""What a process lacks that can not go on: said in words, where a traceback would say nothing."""

from __future__ import annotations

import errno
import os

from django_q.conf import Conf
from django_q.foreign_code.optional_packages import resource


def is_open_files_error(error: BaseException) -> bool:
    """Whether an error comes of too many open files, also where a driver has made another of it."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno in (errno.EMFILE, errno.ENFILE):
            return True
        found = found.__cause__ or found.__context__
    return False


def open_files_message() -> str:
    """Say that a cluster can not open the files it needs, and what to do."""
    limit = f" of {resource.getrlimit(resource.RLIMIT_NOFILE)[0]}" if resource else ""
    return (
        f"A cluster of {Conf.WORKERS} workers can not open the files it needs: the limit of this "
        f"process{limit} is used up. Raise it, as with 'ulimit -n' or LimitNOFILE= of systemd."
    )


def open_closed_streams() -> None:
    """Lead standard streams that are closed to nowhere: what is opened next would take their place.

    Interpreters write to number 2 when they crash, and that would be a socket of ours.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which gets the lowest number that is free
