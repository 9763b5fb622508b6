"""Learn from the kernel when a file is written, on Linux.

Through ctypes: the standard library has no inotify(7), and two calls of it are enough.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable

#: From <sys/inotify.h>: something was written to the file; its times or permissions were set.
IN_MODIFY, IN_ATTRIB = 0x2, 0x4
#: More than the events of one read: 16 bytes each, as those of a watched file have no name.
EVENT_BUFFER_BYTES = 65536


class Inotify:
    """A descriptor that becomes readable when a watched file is written, or at other ``events``.

    Raises ``OSError`` where there is none: no Linux, or the limit of this user is reached.
    """

    def __init__(self, events: int = IN_MODIFY) -> None:
        self.events = events
        library = ctypes.CDLL(None, use_errno=True)
        try:
            self.add_watch = library.inotify_add_watch
            self.fd = checked_result(library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        except AttributeError:
            raise OSError("This system has no inotify.") from None

    def fileno(self) -> int:
        """Return the descriptor, for poll(2)."""
        return self.fd

    def watch(self, paths: Iterable[str]) -> None:
        """Watch those of the files that exist. To watch a file again costs little."""
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                checked_result(self.add_watch(self.fd, os.fsencode(path), self.events))

    def discard_events(self) -> None:
        """Read the events so far, so that only later ones make the descriptor readable."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, EVENT_BUFFER_BYTES)

    def close(self) -> None:
        """Close the descriptor, which ends all watches."""
        os.close(self.fd)


def checked_result(value: int) -> int:
    """Return the result of a C call, or raise its ``OSError``."""
    if value < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return value
