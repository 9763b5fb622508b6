"""What tasks have used up of a worker's process: descriptors and memory."""

from __future__ import annotations

import errno
import os
import sys

from django_q.conf import Conf, logger
from django_q.foreign_code.optional_packages import psutil, resource

#: Units of ``ru_maxrss`` in a kilobyte.
RSS_UNITS_PER_KILOBYTE = 1024 if sys.platform == "darwin" else 1


def can_open_files() -> bool:
    """Whether this process can still open a file: a task may have used up all descriptors."""
    try:
        os.close(os.dup(0))
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            logger.warning("%s ends: its tasks have used up all file descriptors", os.getpid())
            return False
    return True


def rss_check() -> bool:
    """Whether this process has used more memory than ``Q_CLUSTER['max_rss']`` kilobytes."""
    if not Conf.MAX_RSS:
        return False
    if resource:
        return (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            >= Conf.MAX_RSS * RSS_UNITS_PER_KILOBYTE
        )
    if psutil:
        return psutil.Process().memory_info().rss >= Conf.MAX_RSS * 1024
    return False
