"""How soon a cluster goes on when its server can be reached again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.backoff import NoBackoff
from redis.retry import Retry

from django_q.brokers.redis_broker import Redis
from django_q.completion.steps import call_broker
from django_q.processes.monitor import MonitorLoop
from django_q.processes.pusher import pusher
from django_q.processes.shared_state.result_queue import ResultQueue
from django_q.queues import Queue
from tests.faults.proxy import Mode, Proxy
from tests.ports import free_port

#: Tries after which pauses grow no longer, and seconds that none of them may last.
TRIES, LONGEST = 12, 2.0


@pytest.fixture
def away(conf) -> Redis:
    """Make a broker whose server refuses connections."""
    conf(redis={"port": free_port(), "retry": Retry(NoBackoff(), 0)})
    return Redis("away")


class Pauses:
    """A request to stop that comes after some pauses, and notes how long they were to last."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def is_set(self) -> bool:
        return len(self.seconds) >= TRIES

    def wait(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_a_pusher_is_soon_back_however_long_its_server_was_away(away):
    tasks, pauses = Queue(), Pauses()

    pusher(tasks, pauses, away)

    assert pauses.seconds == sorted(pauses.seconds)  # less and less often
    assert pauses.seconds[0] < max(pauses.seconds) <= LONGEST
    tasks.close()


def test_a_monitor_is_soon_back_however_long_its_server_was_away(away, monkeypatch):
    results, pauses = ResultQueue(), Pauses()
    loop = MonitorLoop(results, away)
    monkeypatch.setattr(
        MonitorLoop, "wait_extending_leases", lambda self, seconds: pauses.wait(seconds)
    )

    def acknowledge() -> Any:
        return pauses.is_set() or call_broker(away, away.acknowledge_many, ["1"])

    assert loop.retry_step(acknowledge)

    assert pauses.seconds == sorted(pauses.seconds)
    assert pauses.seconds[0] < max(pauses.seconds) <= LONGEST
    results.close()


@pytest.fixture
def proxy(redis_url) -> Iterator[Proxy]:
    """Put a network that can fail before Redis."""
    proxy = Proxy(urlsplit(redis_url).port)
    yield proxy
    proxy.close()


def test_nothing_is_taken_while_a_monitor_waits_for_an_answer_that_does_not_come(
    proxy, conf, wait_until
):
    conf(redis={"port": proxy.port, "socket_timeout": 20})
    broker, results = Redis("hangs"), ResultQueue()
    broker.enqueue("a payload")
    loop = MonitorLoop(results, broker)
    loop.batch = [{"ack_id": each.ack_id} for each in broker.dequeue(1)]
    loop.busy_since = 0.0  # it has taken longer than leases are left alone
    thread = threading.Thread(target=loop.extend_leases_if_slow, args=(1.0,))

    with proxy.failing(Mode.STALL):
        thread.start()
        wait_until(lambda: results.is_stuck)
        assert thread.is_alive()
    thread.join()

    assert not results.is_stuck
    broker.delete_queue()
    broker.close()
    results.close()
