"""Tell the service manager how ``qcluster`` is doing: the protocol of systemd's ``sd_notify``.

https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import time
from collections.abc import MutableMapping

from django_q.text.printable import printable

#: Notes for one interval of the watchdog, as systemd recommends.
NOTES_PER_INTERVAL = 2
#: Seconds until the liveness of a sentinel that has not shown any is checked again.
RECHECK_SECONDS = 1.0


class ServiceNotes:
    """Sends notes to the socket of a service manager, or nothing where there is none."""

    def __init__(self, label: str, address: str = "", watchdog_seconds: float = 0.0) -> None:
        self.label = printable(label)  # what the texts of the status begin with
        self.address = address
        #: Seconds between two notes that keep the watchdog quiet; infinite without a watchdog.
        self.interval = watchdog_seconds / NOTES_PER_INTERVAL or math.inf
        self.due = time.monotonic() if address and watchdog_seconds else math.inf
        self.is_ready = self.is_stopping = False  # whether that was said
        self.status = ""  # the text that was sent last
        self.last_beat = 0.0  # of the sentinel, when the last note for the watchdog was sent

    def report(self, has_run: bool, is_alive: bool, is_stopping: bool, beat: float) -> None:
        """Send what has changed, and a note for the watchdog if one is due.

        ``is_alive``: whether there is a sentinel; ``beat`` is the time of its latest beat, 0 before
        the first. For one that stands still the watchdog gets no note.
        """
        if not self.address:
            return
        notes = []
        if has_run and not self.is_ready:
            notes.append("READY=1")
            self.is_ready = True
        if is_stopping and not self.is_stopping:
            notes.append("STOPPING=1")
            self.is_stopping = True
        if (status := status_text(has_run, is_alive, is_stopping)) != self.status:
            notes.append(f"STATUS={self.label}: {status}")
            self.status = status
        if time.monotonic() >= self.due:
            notes += self.watchdog_notes(is_alive, beat)
        if notes:
            self.send("\n".join(notes))

    def watchdog_notes(self, is_alive: bool, beat: float) -> list[str]:
        """Return the note for the watchdog if the sentinel has shown that it is alive."""
        if not is_alive or not beat or beat == self.last_beat:
            self.due = time.monotonic() + min(RECHECK_SECONDS, self.interval)
            return []
        self.due, self.last_beat = time.monotonic() + self.interval, beat
        return ["WATCHDOG=1"]

    def send(self, text: str) -> None:
        """Send notes. A service manager that does not take them changes nothing."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(text.encode(), self.address)


def status_text(has_run: bool, is_alive: bool, is_stopping: bool) -> str:
    """Describe a cluster for ``systemctl status``."""
    if is_stopping:
        return "stopping"
    if not has_run:
        return "starting"
    return "running" if is_alive else "the sentinel has ended, another one starts"


def service_notes(label: str, environment: MutableMapping[str, str]) -> ServiceNotes:
    """Make the notes of this process from the variables that the service manager has set.

    They are removed: programs that tasks start would speak for the service otherwise.
    """
    address = environment.pop("NOTIFY_SOCKET", "")
    microseconds = environment.pop("WATCHDOG_USEC", "")
    pid = environment.pop("WATCHDOG_PID", "") or str(os.getpid())
    if address.startswith("@"):  # in the abstract name space
        address = "\0" + address[1:]
    is_watched = microseconds.isascii() and microseconds.isdigit() and pid == str(os.getpid())
    return ServiceNotes(label, address, int(microseconds) / 1e6 if is_watched else 0.0)
