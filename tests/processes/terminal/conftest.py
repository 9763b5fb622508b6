"""A real terminal, and clusters to show in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

import pytest

from django_q.conf import Conf
from tests.heartbeats import make_stat
from tests.processes.terminal.real_terminal import OTHER_ID, Terminal

#: Heartbeats expire after 15 seconds, in which a command may not even have started.
BEAT_SECONDS = 3


@pytest.fixture
def terminal(redis_url: str) -> Iterator[Callable[..., Terminal]]:
    """Run a command in a terminal: ``terminal("qmonitor", width=200)``."""
    opened: list[Terminal] = []

    def run(*command: str, kind: type[Terminal] = Terminal, **options: Any) -> Terminal:
        opened.append(kind(*command, **options))
        return opened[-1]

    yield run
    for each in opened:
        each.process.close(force=True)


@pytest.fixture
def clusters(broker: Any) -> Iterator[None]:
    """Have two clusters, one of them at work; they beat until the test ends."""
    task = (7, "four-little-words", "shop.tasks.send_newsletter", 61.0)
    has_ended = Event()

    def beat() -> None:
        make_stat(status=Conf.WORKING, task_q_size=3, current=[task], pool_size=1).save(broker)
        make_stat(host="bee", cluster_id=OTHER_ID, status=Conf.STOPPING, queue="mail").save(broker)

    def beat_on() -> None:
        while not has_ended.wait(BEAT_SECONDS):
            beat()

    beat()
    thread = Thread(target=beat_on)
    thread.start()
    yield
    has_ended.set()
    thread.join()
