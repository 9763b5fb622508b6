"""What a test checks about its tasks, and what it is told."""

from __future__ import annotations

import pytest

from django_q.tasks import async_task
from django_q.testing import assert_enqueued, assert_not_enqueued, enqueued
from tests.tasks import echo, multiply, nothing


def test_the_first_task_of_a_call_is_returned():
    with enqueued() as tasks:
        async_task(multiply, 2, 3)
        async_task(multiply, 2, 3)

        assert assert_enqueued(multiply, (2, 3)) is tasks[0]
        assert assert_enqueued(multiply, count=2) is tasks[0]


def test_a_list_answers_behind_its_block_too():
    with enqueued() as tasks:
        async_task(multiply, 2, 3)

    assert tasks.assert_enqueued(multiply, (2, 3)) is tasks[0]
    tasks.assert_not_enqueued(echo)


def test_a_message_names_the_nearest_task():
    with enqueued() as tasks:
        async_task(echo, 7)
        async_task(multiply, 2, 3)
        async_task(multiply, 4, 3)
        with pytest.raises(AssertionError) as raised:
            assert_enqueued(multiply, (4, 5), {})

    assert str(raised.value).splitlines() == [
        "Expected a call of tests.tasks.multiply(4, 5), got none. Enqueued:",
        *(f"  {task!r}" for task in tasks),
        "The nearest is tests.tasks.multiply(4, 3)  [queue 'test']:",
        "  argument 2: expected 5, got 3",
    ]


def test_a_message_names_a_function_of_a_similar_name():
    with enqueued():
        async_task(echo, 7)
        async_task(multiply, 2, 3)
        with pytest.raises(AssertionError, match=r"The nearest is tests\.tasks\.multiply"):
            assert_enqueued("tests.tasks.multiply_all")


def test_a_message_says_that_nothing_was_enqueued():
    with enqueued(), pytest.raises(AssertionError, match=r"got none\. Nothing was enqueued"):
        assert_enqueued(multiply)


def test_a_message_counts():
    with enqueued():
        async_task(multiply, 2, 3)
        with pytest.raises(AssertionError, match=r"Expected 2 calls of tests\.tasks.+, got 1"):
            assert_enqueued(multiply, count=2)


def test_a_message_is_not_longer_than_one_reads():
    with enqueued():
        for number in range(25):
            async_task(echo, "x" * 1000, number)
        with pytest.raises(AssertionError) as raised:
            assert_enqueued(multiply)

    assert "and 5 more" in str(raised.value)
    assert len(str(raised.value)) < 6000


def test_what_was_not_to_be_enqueued_is_listed():
    with enqueued():
        assert_not_enqueued()
        async_task(multiply, 2, 3)
        async_task(nothing)

        assert_not_enqueued(echo)
        assert_not_enqueued(multiply, (4, 5))
        with pytest.raises(AssertionError, match=r"no call of .*multiply, got 1:\n.*multiply\(2, "):
            assert_not_enqueued(multiply)
        with pytest.raises(AssertionError, match="Expected no task, got 2"):
            assert_not_enqueued()
