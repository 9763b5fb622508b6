"""How schedulers hear that a schedule was saved, where the broker is Redis or SQLite has a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_q.brokers import get_broker
from django_q.brokers.redis import scheduler_wakeup
from django_q.brokers.scheduler_wakeup import SchedulerWakeup
from django_q.descriptor_wait import wait_until_readable
from django_q.models import Schedule
from django_q.scheduling import wakeup
from django_q.scheduling.wakeup import scheduler_wakeup_for
from tests.servers import RedisServer
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def save_schedule() -> Schedule:
    """Save a schedule."""
    return Schedule.objects.create(func="tests.tasks.nothing")


def hears(waker: SchedulerWakeup, seconds: float = 30) -> bool:
    """Whether a message arrives."""
    heard = bool(wait_until_readable(waker.sources(), seconds))
    waker.drain()
    return heard


def listening(broker: Any) -> SchedulerWakeup:
    """Listen for changes."""
    waker = scheduler_wakeup_for(broker, "default")
    waker.listen()
    hears(waker, 0.5)  # the reply to the subscription, or one's own touch of a file
    return waker


@pytest.fixture
def waker(broker) -> Iterator[SchedulerWakeup]:
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
    monkeypatch.setattr(scheduler_wakeup, "SUBSCRIBE_RETRY_INTERVAL", 0)
    broker = make_broker("redis")
    server = RedisServer().start()
    conf(redis=server.url)
    waker = listening(broker)
    assert waker.check_interval == 60

    server.stop()
    assert hears(waker)
    waker.listen()
    assert (waker.check_interval, waker.sources()) == (5, [])
    server.start()
    wait_until(lambda: waker.listen() or waker.sources())
    hears(waker, 0.5)
    save_schedule()

    assert hears(waker)
    waker.close()
    server.stop()


@pytest.fixture
def file_waker(conf) -> Iterator[SchedulerWakeup]:
    """Listen to the kernel of Linux, where the tests' database is SQLite."""
    if connection.vendor != "sqlite":
        pytest.skip("the database is no file")
    if sys.platform != "linux":
        pytest.skip("it is the kernel of Linux that tells")
    conf(orm="default")
    waker = listening(get_broker())
    yield waker
    waker.close()


def test_a_saved_schedule_wakes_a_scheduler_on_sqlite(file_waker):
    save_schedule()

    assert hears(file_waker)
    assert not hears(file_waker, 0.1)


def test_a_change_wakes_a_scheduler_on_sqlite_when_it_is_committed(file_waker):
    with transaction.atomic():
        save_schedule()
        assert not hears(file_waker, 0.1)

    assert hears(file_waker)


def test_what_else_is_written_to_sqlite_wakes_no_scheduler(file_waker):
    get_broker().enqueue("a task")
    call_command("migrate", verbosity=0)

    assert not hears(file_waker, 0.1)
    assert file_waker.check_interval == 60


def test_a_scheduler_that_hears_of_a_file_asks_sqlite_nothing(file_waker):
    statements = []
    connection.ensure_connection()
    connection.connection.set_trace_callback(statements.append)
    with CaptureQueriesContext(connection) as queries:
        file_waker.listen()
    connection.connection.set_trace_callback(None)

    assert not queries.captured_queries
    assert not statements  # by the driver, past Django


def test_a_schedule_is_saved_although_the_file_may_not_be_touched(file_waker, monkeypatch):
    monkeypatch.setattr(wakeup, "database_path", lambda connection: "/proc/version")

    save_schedule()

    assert Schedule.objects.count() == 1


def test_a_database_in_memory_is_looked_at_every_five_seconds(file_waker, monkeypatch):
    file_waker.close()
    monkeypatch.setattr(wakeup, "database_path", lambda connection: "")

    waker = scheduler_wakeup_for(get_broker(), "default")
    waker.listen()

    assert (waker.check_interval, waker.sources()) == (5, [])


def test_a_scheduler_that_may_watch_nothing_looks_every_five_seconds(file_waker, monkeypatch):
    def no_inotify(events):
        raise OSError("Too many open files")

    monkeypatch.setattr(wakeup, "Inotify", no_inotify)
    waker = scheduler_wakeup_for(get_broker(), "default")

    waker.listen()

    assert (waker.check_interval, waker.sources()) == (5, [])


def test_attempts_to_watch_leave_no_descriptor_behind(file_waker, monkeypatch):
    def no_watch(self, paths):
        raise OSError("No space left on device")

    monkeypatch.setattr(wakeup.Inotify, "watch", no_watch)
    waker = scheduler_wakeup_for(get_broker(), "default")
    before = os.listdir("/proc/self/fd")

    for _ in range(3):
        waker.listen()

    assert (waker.check_interval, waker.sources()) == (5, [])
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_without_a_way_to_hear_a_scheduler_looks_every_five_seconds(conf):
    if connection.vendor in ("postgresql", "sqlite"):
        pytest.skip("the database is a way")
    conf(orm="default")
    waker = scheduler_wakeup_for(get_broker(), "default")

    waker.listen()

    assert (waker.check_interval, waker.sources()) == (5, [])
