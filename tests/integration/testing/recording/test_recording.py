"""Each block begins empty, and leaves nothing behind."""

from __future__ import annotations

import pytest

from django_q.brokers.memory import Memory
from django_q.conf import Conf
from django_q.exceptions import DjangoQError
from django_q.tasks import async_task, queue_size
from django_q.testing import assert_enqueued, drain, enqueued
from tests.tasks import multiply

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("number", [1, 2])
def test_a_block_begins_empty(number):
    with enqueued() as tasks:
        assert (tasks, queue_size(), drain()) == ([], 0, [])

        async_task(multiply, 2, 3, q_options={"unique": "one at a time"})

        assert (len(tasks), queue_size()) == (1, 1)


def test_a_block_inside_of_another_has_tasks_of_its_own():
    with enqueued() as outer:
        async_task(multiply, 1, 1)
        with enqueued() as inner:
            async_task(multiply, 2, 2)
            drain()
        async_task(multiply, 3, 3)
        ran = drain()

    assert [task.args for task in inner] == [(2, 2)]
    assert [task.args for task in outer] == [task.args for task in ran] == [(1, 1), (3, 3)]


def test_queues_in_memory_that_a_test_makes_itself_are_others():
    with enqueued():
        async_task(multiply, 2, 3)

        assert Memory().queue_size() == 0


def test_the_settings_are_as_before_behind_a_block(conf):
    conf(sync=True)
    before = dict(vars(Conf))

    with pytest.raises(ValueError, match="a test fails"), enqueued():
        raise ValueError("a test fails")

    assert vars(Conf) == before
    assert async_task(multiply, 2, 3)  # with sync again


def test_outside_of_a_block_it_is_said_what_to_do():
    with pytest.raises(DjangoQError, match="with enqueued"):
        assert_enqueued(multiply)
    with pytest.raises(DjangoQError, match="with enqueued"):
        drain()
