"""Word from the kernel when a file is written, where it is Linux.

By ctypes: nothing in the standard library speaks inotify(7), and it takes two calls.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable

#: From <sys/inotify.h>: something was written to the file; its times or permissions were set.
IN_MODIFY, IN_ATTRIB = 0x2, 0x4
#: More than the events of one look: 16 bytes each, and no name where a file is watched.
EVENT_BUFFER_BYTES = 65536


class Inotify:
    """A descriptor that can be read when a watched file has been written, or what else is asked.

    Raises ``OSError`` where there is none: no Linux, or no more of them for this user.
    """

    def __init__(self, events: int = IN_MODIFY) -> None:
        self.events = events
        library = ctypes.CDLL(None, use_errno=True)
        try:
            self.add_watch = library.inotify_add_watch
            self.fd = checked(library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        except AttributeError:
            raise OSError("This system has no inotify.") from None

    def fileno(self) -> int:
        """Give the descriptor, for those who wait."""
        return self.fd

    def watch(self, paths: Iterable[str]) -> None:
        """Watch files, as far as they are there. A file that is watched already costs little."""
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                checked(self.add_watch(self.fd, os.fsencode(path), self.events))

    def discard_events(self) -> None:
        """Take note of what has happened so far."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, EVENT_BUFFER_BYTES)

    def close(self) -> None:
        """Watch no longer."""
        os.close(self.fd)


def checked(value: int) -> int:
    """Give what a call has returned, or raise its ``OSError``."""
    if value < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return value
