"""The screens in a real terminal: keys, servers that go away, exit codes."""

from __future__ import annotations

import socket

import pyte
import pytest

from django_q.brokers import get_broker
from tests.heartbeats import CLUSTER_ID, make_stat
from tests.processes.terminal.real_terminal import WITHOUT
from tests.servers import RedisServer
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


REDIS_DOWN = "Can not connect to Redis server."


@pytest.mark.parametrize("command", [["qmonitor", "--classic"], ["qmemory"]])
@pytest.mark.parametrize("key", ["q", "Q", "\x03"])
def test_a_key_quits_and_leaves_the_terminal_as_it_was(terminal, broker, command, key):
    monitor = terminal(*command).until("Host", "[Press q to quit]")

    monitor.press("x")
    monitor.press(key)

    assert monitor.exit_code() == 0
    assert "Traceback" not in monitor.text()
    assert pyte.modes.DECTCEM in monitor.screen.mode  # the cursor is back


def test_redis_that_goes_away_and_comes_back(terminal, conf):
    server = RedisServer().start()
    conf(redis=server.url)
    monitor = terminal("qmonitor", "--classic", DJANGO_Q_TEST_REDIS_URL=server.url).until(WITHOUT)

    server.stop()
    monitor.until(REDIS_DOWN, "Trying again.")
    assert monitor.colour(REDIS_DOWN)[0] == "red"
    server.start()
    make_stat().save(get_broker())

    monitor.until(str(CLUSTER_ID)[-8:], "Queued 0")
    wait_until(lambda: REDIS_DOWN not in monitor.text())


def test_a_server_that_does_not_answer_keeps_no_key_waiting(terminal):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        monitor = terminal("qmonitor", "--classic", DJANGO_Q_TEST_REDIS_URL=url).until(
            "Connecting."
        )

        monitor.press("q")

        assert monitor.exit_code() == 0


def test_a_probe_answers_by_its_exit_code(terminal, broker):
    unserved = terminal("qinfo", "--check")
    assert unserved.exit_code() == 1
    assert "No cluster of 'test' is running." in unserved.text()

    make_stat().save(broker)

    served = terminal("qinfo", "--check")
    assert served.exit_code() == 0
    assert "Idle" in served.text()
