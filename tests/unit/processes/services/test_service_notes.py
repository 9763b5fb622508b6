"""What a service manager is told, on a real socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from django_q.processes.services.service_notes import ServiceNotes, service_notes


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Give the socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def received(manager: socket.socket) -> list[str]:
    """Read the lines that have arrived."""
    lines: list[str] = []
    while True:
        try:
            lines += manager.recv(4096).decode().split("\n")
        except BlockingIOError:
            return lines


def test_each_change_is_said_once(manager):
    notes = ServiceNotes("fish", manager.getsockname())

    for _ in range(2):
        notes.report(False, True, False, 1.0)
    assert received(manager) == ["STATUS=fish: starting"]
    for _ in range(2):
        notes.report(True, True, False, 2.0)
    assert received(manager) == ["READY=1", "STATUS=fish: running"]
    notes.report(True, False, False, 2.0)
    assert received(manager) == ["STATUS=fish: the sentinel has ended, another one starts"]
    notes.report(True, True, True, 3.0)
    assert received(manager) == ["STOPPING=1", "STATUS=fish: stopping"]


def test_a_sentinel_that_has_not_beaten_since_gets_no_note_for_the_watchdog(manager):
    notes = ServiceNotes("fish", manager.getsockname(), watchdog_seconds=20.0)
    beats = [(True, 0.0), (True, 1.0), (True, 1.0), (False, 2.0), (True, 3.0)]
    told = []

    for is_alive, beat in beats:
        notes.due = time.monotonic()
        notes.report(True, is_alive, False, beat)
        told.append("WATCHDOG=1" in received(manager))

    assert told == [False, True, False, False, True]


def test_the_watchdog_is_told_twice_in_its_interval(manager):
    notes = ServiceNotes("fish", manager.getsockname(), watchdog_seconds=20.0)

    notes.report(True, True, False, 1.0)
    first = received(manager)
    notes.report(True, True, False, 2.0)

    assert "WATCHDOG=1" in first
    assert received(manager) == []
    assert notes.interval == 10.0
    assert 0 < notes.due - time.monotonic() <= 10.0


def test_nothing_is_sent_where_nobody_has_asked():
    notes = service_notes("fish", {})

    notes.report(True, True, False, 1.0)

    assert notes.due == float("inf")


def test_programs_that_tasks_start_do_not_inherit_the_socket(manager):
    environment = {
        "NOTIFY_SOCKET": manager.getsockname(),
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "LANG": "C",
    }

    notes = service_notes("fish", environment)

    assert environment == {"LANG": "C"}
    assert (notes.address, notes.interval) == (manager.getsockname(), 15.0)


@pytest.mark.parametrize("given", [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_a_watchdog_of_another_process_or_of_no_number_is_none(given):
    environment = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "1000000", **given}

    assert service_notes("fish", environment).due == float("inf")


def test_an_address_in_the_abstract_name_space_is_understood():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")  # the kernel chooses a name
        name = listening.getsockname()[1:].decode()

        service_notes("two\nlines", {"NOTIFY_SOCKET": f"@{name}"}).report(True, True, False, 0.0)

        assert listening.recv(4096) == b"READY=1\nSTATUS=two\\nlines: running"


def test_a_manager_that_is_gone_changes_nothing(tmp_path):
    notes = ServiceNotes("fish", str(tmp_path / "gone"))

    notes.report(True, True, False, 1.0)

    assert notes.is_ready
