"""The screens in a real terminal: what a person sees, and what keys do."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pexpect
import pyte
import pytest

from django_q.brokers import get_broker
from django_q.conf import Conf
from tests.heartbeats import CLUSTER_ID, make_stat
from tests.servers import RedisServer, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

OTHER_ID = "another1"
WITHOUT = "No clusters appear to be running."
REDIS_DOWN = "Can not connect to Redis server."


class Terminal:
    """A command in a terminal, and what is on its screen."""

    def __init__(self, *command: str, width: int = 80, height: int = 24, **env: str) -> None:
        self.screen = pyte.Screen(width, height)
        self.stream = pyte.ByteStream(self.screen)
        self.process = pexpect.spawn(
            sys.executable,
            ["-m", "django", *command],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", **env},
            dimensions=(height, width),
            # As a shell starts it, although the tests may run where Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        # A terminal answers when it is asked what it can do.
        self.screen.write_process_input = self.process.send

    def read(self) -> None:
        """Take what the command has written."""
        try:
            while True:
                self.stream.feed(self.process.read_nonblocking(65536, timeout=0))
        except (pexpect.TIMEOUT, pexpect.EOF):
            return

    def lines(self) -> list[str]:
        """Give the lines on the screen."""
        self.read()
        return [line.rstrip() for line in self.screen.display]

    def text(self) -> str:
        """Give all that is on the screen."""
        return "\n".join(self.lines())

    def until(self, *texts: str) -> Terminal:
        """Wait until all of these are on the screen."""
        try:
            wait_until(lambda: self.shows(texts) or not self.process.isalive())
            assert self.shows(texts)
        except AssertionError:
            pytest.fail(f"{texts} are not all on the screen:\n{self.text()}")
        return self

    def shows(self, texts: tuple[str, ...]) -> bool:
        """Say whether all of these are on the screen."""
        return all(text in self.text() for text in texts)

    def colour(self, text: str) -> tuple[str, str]:
        """Give the foreground and background of a text."""
        for row, line in enumerate(self.screen.display):
            if text in line:
                character = self.screen.buffer[row][line.index(text)]
                return character.fg, character.bg
        raise AssertionError(f"{text} is not on the screen")

    def resize(self, width: int, height: int) -> None:
        """Give the terminal another size."""
        self.screen.resize(height, width)
        self.process.setwinsize(height, width)

    def press(self, key: str) -> None:
        """Press a key."""
        self.process.send(key)

    def exit_code(self) -> int:
        """Wait for the command's end."""
        wait_until(lambda: self.read() or not self.process.isalive())
        return self.process.exitstatus


@pytest.fixture
def terminal(redis_url: str) -> Iterator[Callable[..., Terminal]]:
    """Run a command in a terminal: ``terminal("qmonitor", width=200)``."""
    opened: list[Terminal] = []

    def run(*command: str, **options: Any) -> Terminal:
        opened.append(Terminal(*command, **options))
        return opened[-1]

    yield run
    for each in opened:
        each.process.close(force=True)


@pytest.fixture
def clusters(broker: Any) -> None:
    """Have two clusters, one of them at work."""
    task = (7, "four-little-words", "shop.tasks.send_newsletter", 61.0)
    make_stat(status=Conf.WORKING, task_q_size=3, current=[task], pool_size=1).save(broker)
    make_stat(host="bee", cluster_id=OTHER_ID, status=Conf.STOPPING, queue="mail").save(broker)


def test_two_clusters_at_80_columns(terminal, clusters):
    monitor = terminal("qmonitor").until("Working", "Stopping", "Failures", "[Press q to quit]")

    lines = monitor.lines()

    assert lines[0].split() == ["Host", "Id", "State", "Pool", "TQ", "RQ", "RC", "Up"]
    assert lines[1].split()[:5] == ["ant", str(CLUSTER_ID)[-8:], "Working", "1", "3"]
    assert lines[2].split()[:3] == ["bee", OTHER_ID, "Stopping"]
    assert "Queued 0" in lines[4]
    assert lines[6].strip() == "[Press q to quit]"
    assert "send_newsletter" not in monitor.text()


def test_colours(terminal, clusters):
    monitor = terminal("qmonitor").until("Working", "Stopping", "Failures")

    assert monitor.colour("Host") == ("black", "green")
    assert monitor.colour("Up") == ("black", "green")
    assert monitor.colour("Working")[0] == "green"
    assert monitor.colour("Stopping")[0] == "brown"  # as pyte calls yellow
    assert monitor.colour(" 3 ")[0] == "cyan"
    assert monitor.colour("Failures") == ("black", "cyan")


def test_two_clusters_at_200_columns_and_what_their_workers_run(terminal, clusters):
    monitor = terminal("qmonitor", width=200).until("Working", "Stopping", "Failures")

    lines = monitor.lines()

    assert lines[0].split()[-2:] == ["Queue", "Running"]
    assert lines[1].endswith("0:01:01  7  shop.tasks.send_newsletter  four-little-words")
    assert lines[2].split()[-1] == "mail"


def test_a_new_size_is_drawn_at_once(terminal, clusters):
    monitor = terminal("qmonitor").until("Failures")

    monitor.resize(200, 30)
    monitor.until("send_newsletter")
    monitor.resize(80, 6)
    monitor.until("2 more rows", "[Press q to quit]")


def test_no_cluster(terminal, broker):
    monitor = terminal("qmonitor").until(WITHOUT, "Queued 0", "[Press q to quit]")

    make_stat().save(broker)
    monitor.until(str(CLUSTER_ID)[-8:])

    wait_until(lambda: WITHOUT not in monitor.text())


@pytest.mark.parametrize("command", ["qmonitor", "qmemory"])
@pytest.mark.parametrize("key", ["q", "Q", "\x03"])
def test_a_key_quits_and_leaves_the_terminal_as_it_was(terminal, broker, command, key):
    monitor = terminal(command).until("Host", "[Press q to quit]")

    monitor.press("x")
    monitor.press(key)

    assert monitor.exit_code() == 0
    assert "Traceback" not in monitor.text()
    assert pyte.modes.DECTCEM in monitor.screen.mode  # the cursor is back


def test_redis_that_goes_away_and_comes_back(terminal, conf):
    server = RedisServer().start()
    conf(redis=server.url)
    monitor = terminal("qmonitor", DJANGO_Q_TEST_REDIS_URL=server.url).until(WITHOUT)

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
        monitor = terminal("qmonitor", DJANGO_Q_TEST_REDIS_URL=url).until("Connecting.")

        monitor.press("q")

        assert monitor.exit_code() == 0


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


def test_a_probe_answers_by_its_exit_code(terminal, broker):
    unserved = terminal("qinfo", "--check")
    assert unserved.exit_code() == 1
    assert "No cluster of 'test' is running." in unserved.text()

    make_stat().save(broker)

    served = terminal("qinfo", "--check")
    assert served.exit_code() == 0
    assert "Idle" in served.text()
