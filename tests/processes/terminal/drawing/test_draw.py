"""The screens in a real terminal: what a person sees."""

from __future__ import annotations

import os
import socket

import pytest

from tests.heartbeats import CLUSTER_ID, make_stat
from tests.processes.terminal.real_terminal import OTHER_ID, WITHOUT
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def test_two_clusters_at_80_columns(terminal, clusters):
    monitor = terminal("qmonitor", "--classic").until(
        "Working", "Stopping", "Failures", "[Press q to quit]"
    )

    lines = monitor.lines()

    assert lines[0].split() == ["Host", "Id", "State", "Pool", "TQ", "RQ", "RC", "Up"]
    assert lines[1].split()[:5] == ["ant", str(CLUSTER_ID)[-8:], "Working", "1", "3"]
    assert lines[2].split()[:3] == ["bee", OTHER_ID, "Stopping"]
    assert "Queued 0" in lines[4]
    assert lines[6].strip() == "[Press q to quit]"
    assert "send_newsletter" not in monitor.text()


def test_colours(terminal, clusters):
    monitor = terminal("qmonitor", "--classic").until("Working", "Stopping", "Failures")

    assert monitor.colour("Host") == ("black", "green")
    assert monitor.colour("Up") == ("black", "green")
    assert monitor.colour("Working")[0] == "green"
    assert monitor.colour("Stopping")[0] == "brown"  # as pyte calls yellow
    assert monitor.colour(" 3 ")[0] == "cyan"
    assert monitor.colour("Failures") == ("black", "cyan")


def test_two_clusters_at_200_columns_and_what_their_workers_run(terminal, clusters):
    monitor = terminal("qmonitor", "--classic", width=200).until("Working", "Stopping", "Failures")

    lines = monitor.lines()

    assert lines[0].split()[-2:] == ["Queue", "Running"]
    assert lines[1].endswith("0:01:01  7  shop.tasks.send_newsletter  four-little-words")
    assert lines[2].split()[-1] == "mail"


def test_a_new_size_is_drawn_at_once(terminal, clusters):
    monitor = terminal("qmonitor", "--classic").until("Failures")

    monitor.resize(200, 30)
    monitor.until("send_newsletter")
    monitor.resize(80, 6)
    monitor.until("2 more rows", "[Press q to quit]")


def test_no_cluster(terminal, broker):
    monitor = terminal("qmonitor", "--classic").until(WITHOUT, "Queued 0", "[Press q to quit]")

    make_stat().save(broker)
    monitor.until(str(CLUSTER_ID)[-8:])

    wait_until(lambda: WITHOUT not in monitor.text())


def test_memory_of_the_clusters_of_this_host(terminal, broker):
    make_stat(host=socket.gethostname(), sentinel=os.getpid(), workers=[os.getpid()]).save(broker)

    monitor = terminal("qmemory", "--workers").until("Worker 1", "Available lowest", "quit")

    assert monitor.lines()[0].split()[:3] == ["Host", "Id", "Available"]
    assert monitor.colour("Host") == ("black", "green")


def test_a_screen_that_is_shown_once_stays_readable(terminal, clusters):
    monitor = terminal("qmonitor", "--run-once")

    assert monitor.exit_code() == 0
    assert "Working" in monitor.text()
    assert monitor.colour("Working")[0] == "green"


def test_a_dumb_terminal_gets_plain_text(terminal, clusters):
    monitor = terminal("qmonitor", TERM="dumb").until("Working", "[Press Ctrl-C to quit]")

    monitor.press("\x03")

    assert monitor.exit_code() == 0
    assert monitor.colour("Working")[0] == "default"
