"""How schedulers hear that a schedule was saved, where the broker is Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from django_q.brokers import get_broker
from django_q.lifecycle import waking
from django_q.lifecycle.waking import RedisWaker, Waker, waker_for
from django_q.models import Schedule
from django_q.waiting import readable
from tests.servers import RedisServer, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def save_schedule() -> Schedule:
    """Save a schedule."""
    return Schedule.objects.create(func="tests.tasks.nothing")


def hears(waker: Waker, seconds: float = 2) -> bool:
    """Whether a message arrives."""
    heard = bool(readable(waker.sources(), seconds))
    waker.drain()
    return heard


def listening(broker: Any) -> Waker:
    """Listen for changes."""
    waker = waker_for(broker, "default")
    waker.listen()
    hears(waker, 0.5)  # the reply to the subscription
    return waker


@pytest.fixture
def waker(broker) -> Iterator[Waker]:
    """Listen to the Redis server of the test run."""
    waker = listening(broker)
    yield waker
    waker.close()


def test_a_saved_schedule_wakes_a_scheduler(waker):
    save_schedule()

    assert hears(waker)
    assert not hears(waker, 0.1)


def test_a_change_wakes_a_scheduler_when_it_is_committed(waker):
    schedule = save_schedule()
    hears(waker)

    with transaction.atomic():
        schedule.save()
        assert not hears(waker, 0.1)

    assert hears(waker)


def test_a_change_that_is_rolled_back_wakes_nobody(waker):
    with transaction.atomic():
        save_schedule()
        transaction.set_rollback(True)

    assert not hears(waker, 0.1)


def test_a_project_of_another_name_is_not_woken(waker, conf):
    conf(name="elsewhere")

    save_schedule()

    assert not hears(waker, 0.1)


def test_a_project_without_clusters_wakes_nobody(waker, conf):
    conf(sync=True)

    save_schedule()

    assert not hears(waker, 0.1)


def test_a_schedule_is_saved_while_redis_is_away(conf, caplog):
    conf(redis="redis://127.0.0.1:1/0")

    save_schedule()

    assert Schedule.objects.count() == 1
    assert any("Redis is away" in message for message in caplog.messages)


def test_a_scheduler_listens_again_when_redis_is_back(conf, monkeypatch, make_broker):
    monkeypatch.setattr(waking, "AGAIN", 0)
    broker = make_broker("redis")
    server = RedisServer().start()
    conf(redis=server.url)
    waker = listening(broker)
    assert waker.patience == 60

    server.stop()
    assert hears(waker)
    waker.listen()
    assert (waker.patience, waker.sources()) == (5, [])
    server.start()
    wait_until(lambda: waker.listen() or waker.sources())
    hears(waker, 0.5)
    save_schedule()

    assert hears(waker)
    waker.close()
    server.stop()


def test_without_a_way_to_hear_a_scheduler_looks_every_five_seconds(conf):
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL is a way")
    conf(orm="default")
    waker = waker_for(get_broker(), "default")

    waker.listen()

    assert not isinstance(waker, RedisWaker)
    assert (waker.patience, waker.sources()) == (5, [])
