"""Unfinished tasks as others see them, and that no look at them reads a whole queue."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_q.brokers.orm import task_rows
from django_q.brokers.terms import DELAYED, LEASED, WAITING, QueueCounts, Terms
from django_q.models import OrmQ
from django_q.servers.database_clock import database_now
from tests.integration.brokers.orm.databases import on_each
from tests.integration.brokers.orm.term_tasks import KEY, add, all_rows, take


@pytest.fixture
def filled(broker):
    """The broker with a task of each state, and one that waits for another."""
    add(broker, "leased", unique=KEY)
    take(broker)
    add(broker, "waiting", priority=7, expires_in=500)
    add(broker, "delayed", delay=20)
    broker.enqueue("plain")
    add(broker, "successor", unique=KEY, is_successor=True)
    return broker


@on_each
def test_each_state_is_listed(filled):
    states = {each.payload: each.state for each in filled.list_tasks()}

    assert states == {
        "leased": LEASED,
        "waiting": WAITING,
        "delayed": DELAYED,
        "plain": WAITING,
        "successor": WAITING,
    }
    for state in (WAITING, DELAYED, LEASED):
        listed = [each.payload for each in filled.list_tasks(state)]
        assert listed == [name for name, each in states.items() if each == state]


@on_each
def test_a_successor_waits_before_and_after_it_was_put_back(filled):
    for _ in range(2):
        assert filled.find("successor").state == WAITING
        assert filled.count_tasks()[:3] == (3, 1, 1)
        assert (filled.queue_size(), filled.lock_size()) == (2, 3)
        all_rows(filled).filter(payload__in=["waiting", "plain"]).update(rank=100)
        add_one = filled.table.take(1, 30).successors
        assert filled.terms.put_back(add_one) == set(add_one)


@on_each
@pytest.mark.parametrize("later", [0, 5])
def test_a_successor_that_was_put_back_is_counted_once_at_any_moment(filled, monkeypatch, later):
    all_rows(filled).filter(payload__in=["waiting", "plain"]).update(rank=100)
    assert filled.terms.put_back(filled.table.take(1, 30).successors)
    moment = database_now(filled.alias) + timedelta(seconds=later)  # before and after it is due
    monkeypatch.setattr(task_rows, "database_now", lambda alias: moment)

    assert (filled.queue_size(), filled.lock_size()) == (2, 3)


@on_each
def test_a_task_that_was_released_with_a_delay_is_delayed(broker):
    add(broker, "a")
    (delivery,) = take(broker)

    broker.release([delivery.ack_id], delay=20)

    found = broker.find("a")
    assert (found.state, found.attempts) == (DELAYED, 1)
    assert broker.list_tasks(DELAYED) == [found]
    assert broker.count_tasks()[:3] == (0, 1, 0)


@on_each
def test_a_task_is_found_with_its_terms(filled):
    now = time.time()

    found = filled.find("waiting")

    assert found[:5] == ("waiting", WAITING, "waiting", 7, 0)
    assert found.since == pytest.approx(now, abs=20)
    assert (found.due, found.expires) == (None, pytest.approx(now + 500, abs=20))
    assert filled.find("delayed").due == pytest.approx(now + 20, abs=20)
    assert filled.find("plain") is None
    assert type(filled)("other").find("waiting") is None


@on_each
def test_pages_follow_one_another(broker):
    broker.enqueue_many([str(n) for n in range(7)])

    pages, after = [], ""
    while page := broker.list_tasks(WAITING, after, limit=3):
        pages.append([int(each.payload) for each in page])
        after = page[-1].cursor

    assert pages == [[0, 1, 2], [3, 4, 5], [6]]


@on_each
def test_tasks_are_counted_by_one_statement(filled):
    with CaptureQueriesContext(connections[filled.alias]) as queries:
        counts = filled.count_tasks()

    assert len(queries) == 1
    assert counts[:3] == (3, 1, 1)
    assert 0 <= counts.oldest < 60
    filled.delete_queue()
    assert filled.count_tasks() == QueueCounts(0, 0, 0, None)


@on_each
def test_queues_are_named_without_dead_letters(broker):
    assert broker.queue_names() == []
    for name in ("b", "test", "a"):
        type(broker)(name).enqueue_many(["x", "y"])
    dead = type(broker)("z")
    dead.enqueue("unreadable")
    (delivery,) = dead.dequeue(wait=0)
    dead.move_to_dead_letters(delivery.ack_id, delivery.payload)

    assert broker.queue_names() == ["a", "b", "test"]


@on_each
def test_rows_that_others_add_without_a_rank_count_as_zero(broker):
    add(broker, "low", priority=-1)
    broker.enqueue("plain")
    add(broker, "high", priority=1)
    all_rows(broker).filter(payload="plain").update(rank=None)

    assert broker.queue_size() == 3
    assert [each.payload for each in broker.list_tasks()] == ["low", "plain", "high"]
    broker.table.ranks_checked_at = float("-inf")  # as is asked once a second
    assert [each.payload for each in take(broker)] == ["high", "plain", "low"]
    assert not OrmQ.objects.using(broker.alias).filter(rank=None).exists()


@on_each
def test_tasks_of_a_batch_tell_since_when_they_wait(broker):
    begin = time.time() - 5
    broker.enqueue_many(["a", "b"])
    broker.enqueue_tasks([("c", Terms("c")), ("d", Terms("d", unique=KEY))])

    listed = broker.list_tasks()

    assert [task.payload for task in listed] == ["a", "b", "c", "d"]
    assert all(begin < task.since < begin + 60 for task in listed)
