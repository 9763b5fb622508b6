"""Who waits on SQLite hears of writes from the kernel, where it tells."""

from __future__ import annotations

import sys
import threading
import time

import pytest
from django.db import connections

from django_q.brokers.orm import ORM, queue_wait
from django_q.brokers.orm.sqlite import SqliteTable
from tests.integration.brokers.deliveries import payloads
from tests.waiting import wait_until


def elsewhere(deed):
    """Run a function on connections of its own, after a moment. Returns its thread."""

    def run():
        deed()
        connections["plain"].close()

    thread = threading.Timer(0.2, run)
    thread.start()
    return thread


def wait_for_what_comes_from_elsewhere(broker):
    """Wait for a task that is enqueued meanwhile, and see that it is there long before the end."""
    thread = elsewhere(lambda: ORM(broker.list_key).enqueue("a"))

    start = time.monotonic()
    deliveries = broker.dequeue(wait=30)

    thread.join()
    assert payloads(deliveries) == ["a"]
    assert time.monotonic() - start < 10


@pytest.mark.skipif(sys.platform != "linux", reason="it is the kernel of Linux that tells")
@pytest.mark.parametrize("journal", ["WAL", "DELETE", "TRUNCATE", "PERSIST"])
def test_who_waits_on_sqlite_hears_of_a_write_from_the_kernel(plain_sqlite, monkeypatch, journal):
    for name in ("MAX_COUNTER_INTERVAL", "MAX_NOTIFIED_COUNTER_INTERVAL"):
        monkeypatch.setattr(queue_wait, name, 60)
    broker = plain_sqlite(init_command=f"PRAGMA journal_mode={journal}")

    wait_for_what_comes_from_elsewhere(broker)


def test_sqlite_is_asked_again_and_again_where_no_kernel_tells(plain_sqlite, monkeypatch):
    def no_inotify():
        raise OSError("Too many open files")

    monkeypatch.setattr(queue_wait, "Inotify", no_inotify)
    broker = plain_sqlite()

    wait_for_what_comes_from_elsewhere(broker)


def test_a_kernel_that_does_not_tell_of_a_write_is_not_relied_on(plain_sqlite, monkeypatch):
    monkeypatch.setattr(SqliteTable, "files", [])
    monkeypatch.setattr(queue_wait, "MAX_NOTIFIED_COUNTER_INTERVAL", 0.1)
    broker = plain_sqlite()

    def is_given_up():
        thread = elsewhere(lambda: ORM(broker.list_key).enqueue("a"))
        deliveries = broker.dequeue(wait=30)
        thread.join()
        assert payloads(deliveries) == ["a"]
        return broker.queue_wait.inotify is None

    broker.enqueue("first")
    assert payloads(broker.dequeue(wait=0)) == ["first"]
    wait_until(is_given_up)  # not by a write that comes before it has rested, as on a busy machine


def test_writes_that_bring_nothing_are_looked_at_now_and_then(plain_sqlite, monkeypatch):
    broker = plain_sqlite()
    broker.enqueue("first")
    over = threading.Event()

    def write():
        while not over.is_set():
            ORM("another queue").enqueue("x")

    looks = []
    take = SqliteTable.take
    monkeypatch.setattr(SqliteTable, "take", lambda *args: looks.append(1) or take(*args))
    thread = elsewhere(write)

    deliveries = [*broker.dequeue(wait=0), *broker.dequeue(wait=2)]

    over.set()
    thread.join()
    assert payloads(deliveries) == ["first"]
    assert 2 < len(looks) < 100  # of some thousand writes
