"""What a probe is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_q.brokers.contract.orders import QueueControl
from django_q.conf import Conf
from django_q.exceptions import BrokerUnavailable
from django_q.terminal.health import STUCK_SECONDS, Unhealthy, check
from tests.heartbeats import CLUSTER_ID, MemoryBroker, make_stat

STUCK = "3 tasks wait in 'test', and nobody took one for 5 seconds."


class Naps:
    """Sleeps without time passing, and does something on the way."""

    def __init__(self, action: Callable[[], Any] = lambda: None) -> None:
        self.action = action
        self.seconds = 0.0

    def __call__(self, seconds: float) -> None:
        self.seconds += seconds
        self.action()


def test_a_cluster_that_beats_is_healthy_at_once():
    naps = Naps()

    assert check(MemoryBroker(make_stat()), sleep=naps).endswith("on ant: Idle.")
    assert naps.seconds == 0


@pytest.mark.parametrize(
    ("stats", "reason"),
    [
        ([], "No cluster of 'test' is running."),
        ([{"queue": "mail"}], "No cluster of 'test' is running."),
        ([{"status": Conf.STARTING}], "on ant: Starting."),
        ([{"status": Conf.STOPPING}], "on ant: Stopping."),
        ([{"status": Conf.STOPPED}], "No cluster of 'test' is running."),
        ([{"workers": []}], "The cluster of 'test' has no workers."),
    ],
)
def test_a_queue_that_nobody_serves_is_unhealthy(stats, reason):
    broker = MemoryBroker(*(make_stat(**values) for values in stats))

    with pytest.raises(Unhealthy) as failure:
        check(broker)

    assert str(failure.value).endswith(reason)


def test_one_fit_cluster_is_enough():
    broker = MemoryBroker(make_stat(cluster_id=1, status=Conf.STOPPING), make_stat(cluster_id=2))

    assert "Idle" in check(broker)


def test_a_cluster_of_django_q2_does_not_tell_its_queue_and_counts():
    assert check(MemoryBroker(make_stat(queue="")))


def test_a_probe_may_ask_for_its_own_host():
    broker = MemoryBroker(make_stat(host="ant"))

    assert check(broker, host="ant")
    with pytest.raises(Unhealthy, match="No cluster of 'test' is running on bee"):
        check(broker, host="bee")


@pytest.mark.parametrize(
    ("control", "hold"),
    [
        (QueueControl(is_paused=True), "paused"),
        (QueueControl(limit=0), "at its limit of 0"),
        (QueueControl(paused_clusters=frozenset({str(CLUSTER_ID)})), "paused for cluster 54d638f6"),
    ],
)
def test_a_queue_that_people_hold_back_is_healthy_at_once_and_says_so(control, hold):
    broker, naps = MemoryBroker(make_stat(), queued=3), Naps()
    broker.held_by = control

    told = check(broker, sleep=naps)

    assert told.endswith(f"Idle. Queue 'test': {hold}.")
    assert naps.seconds == 0


@pytest.mark.parametrize(
    "control", [QueueControl(limit=1), QueueControl(paused_clusters=frozenset({"another"}))]
)
def test_a_queue_that_is_not_held_back_completely_can_be_stuck(control):
    broker = MemoryBroker(make_stat(), queued=3)
    broker.held_by = control

    with pytest.raises(Unhealthy):
        check(broker, sleep=Naps())


def test_a_queue_that_nobody_takes_from_is_stuck():
    naps = Naps()

    with pytest.raises(Unhealthy) as failure:
        check(MemoryBroker(make_stat(), queued=3), sleep=naps)

    assert str(failure.value) == STUCK
    assert naps.seconds == STUCK_SECONDS


@pytest.mark.parametrize(
    "values", [{"status": Conf.WORKING}, {"current": [(7, "a", "b", 1.0)]}, {"task_q_size": 1}]
)
def test_a_queue_behind_a_busy_cluster_is_not_stuck(values):
    naps = Naps()

    assert check(MemoryBroker(make_stat(**values), queued=3), sleep=naps)
    assert naps.seconds == 0


def test_a_queue_that_has_just_got_a_task_is_not_stuck():
    broker = MemoryBroker(make_stat(), queued=1)

    assert check(broker, sleep=Naps(lambda: setattr(broker, "queued", 0)))


def test_a_queue_that_gets_shorter_is_not_stuck():
    broker = MemoryBroker(make_stat(), queued=9)

    assert check(broker, sleep=Naps(lambda: setattr(broker, "queued", 8)))


def test_a_broker_that_does_not_answer_is_said_in_words(monkeypatch):
    broker = MemoryBroker()
    monkeypatch.setattr(broker, "get_stats", lambda pattern: 1 / 0)

    with pytest.raises(BrokerUnavailable, match=r"Can not connect to the broker. ZeroDivisionE"):
        check(broker)
