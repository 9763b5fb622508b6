"""The clock of the database: when it is looked at, and what follows where it was set back."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from django.db import connections, models
from django.test.utils import CaptureQueriesContext

from django_q.models import Heartbeat, OrmQ
from tests.integration.brokers.deliveries import payloads
from tests.integration.brokers.orm.databases import on_each, on_postgres
from tests.waiting import wait_until


@on_each
def test_who_waits_at_an_empty_queue_does_not_look_at_the_clock(broker):
    connection = connections[broker.alias]
    if connection.vendor == "mysql":
        pytest.skip("what polls does not ask whether there is more")
    assert broker.dequeue(wait=0.1) == []
    broker.clock_watch.next_check = 0

    with CaptureQueriesContext(connection) as queries:
        assert broker.dequeue(wait=0.1) == []
    assert not any("heartbeat" in query["sql"] for query in queries)

    broker.enqueue("a", delay=60)
    assert broker.dequeue(wait=0.1) == []
    with CaptureQueriesContext(connection) as queries:
        assert broker.dequeue(wait=0.1) == []
    assert sum("heartbeat" in query["sql"] for query in queries) == 1


@on_postgres
def test_who_is_no_longer_notified_looks_at_the_clock(broker, monkeypatch):
    # Where the first look takes longer than the wait, there is none.
    wait_until(lambda: broker.dequeue(wait=0.1) == [] and broker.queue_wait.is_empty)
    broker.queue_wait.close()
    monkeypatch.setattr(broker.queue_wait, "can_listen", False)

    assert broker.dequeue(wait=0.1) == []

    assert broker.queue_wait.is_empty is False


def set_back_by_an_hour(broker):
    """Leave in the table what setting the clock back leaves: times that are an hour ahead."""
    ahead = timedelta(hours=1)
    rows = OrmQ.objects.using(broker.alias).exclude(payload="later")
    rows.update(lock=models.F("lock") + ahead)
    Heartbeat.objects.using(broker.alias).update(expires=models.F("expires") + ahead)


@on_each
def test_a_queue_goes_on_although_the_clock_was_set_back(broker):
    broker.enqueue("waits")
    broker.enqueue("later", delay=86400)
    broker.clock_watch.check_if_due()
    rows = OrmQ.objects.using(broker.alias)
    later = rows.get(payload="later").lock
    set_back_by_an_hour(broker)
    broker.clock_watch.next_check = 0

    found = broker.dequeue(wait=30)

    assert payloads(found) == ["waits"]
    assert rows.get(payload="later").lock == later


@on_each
def test_who_waits_for_tasks_notices_that_the_clock_was_set_back(broker, conf):
    conf(retry=1)
    broker.enqueue("waits")
    broker.clock_watch.check_if_due()
    set_back_by_an_hour(broker)
    reader, writer = os.pipe()
    broker.wake_fd = reader

    found: list = []
    wait_until(lambda: found.extend(broker.dequeue()) or found)

    os.close(writer)
    os.close(reader)
    assert payloads(found) == ["waits"]


@on_each
def test_a_clock_that_is_set_back_while_all_workers_are_busy_is_noticed(broker):
    broker.enqueue("long")
    (long,) = broker.dequeue(wait=0)
    broker.enqueue("waits")
    broker.clock_watch.check_if_due()
    set_back_by_an_hour(broker)
    broker.clock_watch.next_check = 0

    assert broker.extend([long.ack_id], 30) == set()

    assert payloads(broker.dequeue(9, wait=0)) == ["waits"]


@on_each
def test_what_was_leased_since_the_clock_was_set_back_stays_leased(broker):
    broker.enqueue("before")
    broker.clock_watch.check_if_due()
    set_back_by_an_hour(broker)
    broker.enqueue("since")
    assert payloads(broker.dequeue(9, wait=0)) == ["since"]
    broker.clock_watch.next_check = 0

    assert payloads(broker.dequeue(9, wait=30)) == ["before"]
