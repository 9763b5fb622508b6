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


def is_woken(wakeup_source: SchedulerWakeup, seconds: float = 30) -> bool:
    """Whether a message arrives."""
    is_readable = bool(wait_until_readable(wakeup_source.sources(), seconds))
    wakeup_source.drain()
    return is_readable


def listening(broker: Any) -> SchedulerWakeup:
    """Listen for changes."""
    wakeup_source = scheduler_wakeup_for(broker, "default")
    wakeup_source.listen()
    is_woken(wakeup_source, 0.5)  # the reply to the subscription, or one's own touch of a file
    return wakeup_source


@pytest.fixture
def wakeup_source(broker) -> Iterator[SchedulerWakeup]:
    """Listen to the Redis server of the test run."""
    wakeup_source = listening(broker)
    yield wakeup_source
    wakeup_source.close()


def test_a_saved_schedule_wakes_a_scheduler(wakeup_source):
    save_schedule()

    assert is_woken(wakeup_source)
    assert not is_woken(wakeup_source, 0.1)


def test_a_change_wakes_a_scheduler_when_it_is_committed(wakeup_source):
    schedule = save_schedule()
    is_woken(wakeup_source)

    with transaction.atomic():
        schedule.save()
        assert not is_woken(wakeup_source, 0.1)

    assert is_woken(wakeup_source)


def test_a_change_that_is_rolled_back_wakes_nobody(wakeup_source):
    with transaction.atomic():
        save_schedule()
        transaction.set_rollback(True)

    assert not is_woken(wakeup_source, 0.1)


def test_a_project_of_another_name_is_not_woken(wakeup_source, conf):
    conf(name="elsewhere")

    save_schedule()

    assert not is_woken(wakeup_source, 0.1)


def test_a_project_without_clusters_wakes_nobody(wakeup_source, conf):
    conf(sync=True)

    save_schedule()

    assert not is_woken(wakeup_source, 0.1)


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
    wakeup_source = listening(broker)
    assert wakeup_source.check_interval == 60

    server.stop()
    assert is_woken(wakeup_source)
    wakeup_source.listen()
    assert (wakeup_source.check_interval, wakeup_source.sources()) == (5, [])
    server.start()
    wait_until(lambda: wakeup_source.listen() or wakeup_source.sources())
    is_woken(wakeup_source, 0.5)
    save_schedule()

    assert is_woken(wakeup_source)
    wakeup_source.close()
    server.stop()


@pytest.fixture
def file_wakeup(conf) -> Iterator[SchedulerWakeup]:
    """Listen to the kernel of Linux, where the tests' database is SQLite."""
    if connection.vendor != "sqlite":
        pytest.skip("the database is no file")
    if sys.platform != "linux":
        pytest.skip("it is the kernel of Linux that tells")
    conf(orm="default")
    wakeup_source = listening(get_broker())
    yield wakeup_source
    wakeup_source.close()


def test_a_saved_schedule_wakes_a_scheduler_on_sqlite(file_wakeup):
    save_schedule()

    assert is_woken(file_wakeup)
    assert not is_woken(file_wakeup, 0.1)


def test_a_change_wakes_a_scheduler_on_sqlite_when_it_is_committed(file_wakeup):
    with transaction.atomic():
        save_schedule()
        assert not is_woken(file_wakeup, 0.1)

    assert is_woken(file_wakeup)


def test_what_else_is_written_to_sqlite_wakes_no_scheduler(file_wakeup):
    get_broker().enqueue("a task")
    call_command("migrate", verbosity=0)

    assert not is_woken(file_wakeup, 0.1)
    assert file_wakeup.check_interval == 60


def test_a_scheduler_that_hears_of_a_file_asks_sqlite_nothing(file_wakeup):
    statements = []
    connection.ensure_connection()
    connection.connection.set_trace_callback(statements.append)
    with CaptureQueriesContext(connection) as queries:
        file_wakeup.listen()
    connection.connection.set_trace_callback(None)

    assert not queries.captured_queries
    assert not statements  # by the driver, past Django


def test_a_schedule_is_saved_although_the_file_may_not_be_touched(file_wakeup, monkeypatch):
    monkeypatch.setattr(wakeup, "database_path", lambda connection: "/proc/version")

    save_schedule()

    assert Schedule.objects.count() == 1


def test_a_database_in_memory_is_looked_at_every_five_seconds(file_wakeup, monkeypatch):
    file_wakeup.close()
    monkeypatch.setattr(wakeup, "database_path", lambda connection: "")

    wakeup_source = scheduler_wakeup_for(get_broker(), "default")
    wakeup_source.listen()

    assert (wakeup_source.check_interval, wakeup_source.sources()) == (5, [])


def test_a_scheduler_that_may_watch_nothing_looks_every_five_seconds(file_wakeup, monkeypatch):
    def no_inotify(events):
        raise OSError("Too many open files")

    monkeypatch.setattr(wakeup, "Inotify", no_inotify)
    wakeup_source = scheduler_wakeup_for(get_broker(), "default")

    wakeup_source.listen()

    assert (wakeup_source.check_interval, wakeup_source.sources()) == (5, [])


def test_attempts_to_watch_leave_no_descriptor_behind(file_wakeup, monkeypatch):
    def no_watch(self, paths):
        raise OSError("No space left on device")

    monkeypatch.setattr(wakeup.Inotify, "watch", no_watch)
    wakeup_source = scheduler_wakeup_for(get_broker(), "default")
    before = os.listdir("/proc/self/fd")

    for _ in range(3):
        wakeup_source.listen()

    assert (wakeup_source.check_interval, wakeup_source.sources()) == (5, [])
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_without_a_way_to_hear_a_scheduler_looks_every_five_seconds(conf):
    if connection.vendor in ("postgresql", "sqlite"):
        pytest.skip("the database is a way")
    conf(orm="default")
    wakeup_source = scheduler_wakeup_for(get_broker(), "default")

    wakeup_source.listen()

    assert (wakeup_source.check_interval, wakeup_source.sources()) == (5, [])
