"""Ctrl-Z on a screen: the terminal is given back to the shell before the process stops."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Suspension:
    """Whether the process is to stop, as its terminal has asked for by ``SIGTSTP``."""

    is_wanted = False

    def note(self, *_signal: Any) -> None:
        """Handle the signal: what draws looks here between two frames."""
        self.is_wanted = True

    def carry_out(self) -> None:
        """Stop the process, until it is told to go on."""
        self.is_wanted = False
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        # To this thread, which so does nothing more before the process stops.
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self.note)


@contextmanager
def noted_suspension() -> Iterator[Suspension]:
    """Note while the context lasts that the process is to stop; where signals are handled."""
    found = Suspension()
    handled = signal.SIG_IGN
    if threading.current_thread() is threading.main_thread():
        handled = signal.getsignal(signal.SIGTSTP)
    if handled is signal.SIG_IGN:
        yield found
        return
    signal.signal(signal.SIGTSTP, found.note)
    try:
        yield found
    finally:
        signal.signal(signal.SIGTSTP, handled)
