"""Whatever a call names, its task goes to the queues of the test."""

from __future__ import annotations

import pytest
import redis

from django_q.brokers import get_broker
from django_q.brokers.redis_broker import Redis
from django_q.exceptions import AlreadyEnqueued
from django_q.tasks import async_batch, async_iter, async_task, queue_names, queue_size
from django_q.testing import drain, enqueued
from tests.tasks import multiply

#: Nobody listens there.
NOWHERE = redis.Redis(port=1)


def test_no_server_is_asked(conf):
    conf(redis={"port": 1})
    broker = Redis("mail")

    with enqueued() as tasks:
        async_task(multiply, 1, 1, broker=broker)
        async_task(multiply, 2, 2, redis=NOWHERE, cluster="reports")
        async_task(multiply, 3, 3, list_key="django_q:other:q")
        async_task(multiply, 4, 4, broker=get_broker("fourth"))
        names = queue_names()

    assert [task.queue for task in tasks] == ["mail", "reports", "other", "fourth"]
    assert names == ["fourth", "mail", "other", "reports"]


def test_calls_of_each_kind_are_recorded_once():
    with enqueued() as tasks:
        async_task(multiply, 1, 1)
        async_batch([(multiply, (2, 2)), (multiply, (3, 3))])
        async_iter(multiply, [(4, 4), (5, 5)])
        async_batch([(multiply, (6, 6)), (multiply, (7, 7))], q_options={"priority": 1})

        assert queue_size() == 7

    assert [task.args[0] for task in tasks] == [1, 2, 3, 4, 5, 6, 7]


def test_a_task_that_another_stands_for_is_not_enqueued():
    with enqueued() as tasks:
        first = async_task(multiply, 1, 1, q_options={"unique": "key"})
        again = async_task(multiply, 2, 2, q_options={"unique": "key"})
        with pytest.raises(AlreadyEnqueued):
            async_task(multiply, 3, 3, q_options={"unique": "key", "on_duplicate": "reject"})

    assert first == again
    assert [task.args for task in tasks] == [(1, 1)]


def test_a_task_that_replaces_another_takes_its_place():
    options = {"unique": "key", "on_duplicate": "replace"}
    with enqueued() as tasks:
        async_task(multiply, 1, 1, q_options=options)
        async_task(multiply, 2, 2)
        async_task(multiply, 3, 3, q_options=options)

    assert [task.args for task in tasks] == [(3, 3), (2, 2)]


@pytest.mark.django_db
def test_an_idempotency_key_stands_for_the_first_task_also_when_that_has_ended():
    with enqueued() as tasks:
        for _ in range(2):
            async_task(multiply, 1, 1, q_options={"idempotency_key": "order 7"})
            drain()

    assert len(tasks) == 1


def test_what_is_no_task_is_not_recorded():
    with enqueued() as tasks:
        get_broker().enqueue("no payload")

        assert tasks == []
        assert drain(schedules=False) == []
        assert get_broker().dead_size() == 1
