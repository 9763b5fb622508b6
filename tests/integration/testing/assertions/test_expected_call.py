"""In what a task differs from the call that a test expects."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import ANY

import pytest
from django.utils import timezone

from django_q.tasks import async_task
from django_q.testing import assert_enqueued, enqueued
from tests.framework_tasks import echo
from tests.tasks import echo as echo_function
from tests.tasks import hook, multiply


@pytest.mark.parametrize(
    ("args", "kwargs", "options"),
    [
        (None, None, {}),
        ((2, 3), None, {}),
        ([2, 3], {"z": 4}, {}),
        ((2, ANY), None, {"queue": "mail"}),
        (None, {"z": ANY}, {"cluster": "mail", "group": "today"}),
        (None, None, {"hook": hook, "task_name": "named"}),
        (None, None, {"hook": "tests.tasks.hook", "run_after": 60}),
        (None, None, {"run_after": timedelta(minutes=1), "sync": None}),
    ],
)
def test_a_call_is_found_by_what_is_given(args, kwargs, options):
    with enqueued():
        queue_options = {"run_after": 60}
        given = {"hook": hook, "cluster": "mail", "group": "today", "task_name": "named"}
        async_task(echo_function, 2, 3, z=4, **given, q_options=queue_options)

        task = assert_enqueued(echo_function, args, kwargs, **options)

    assert task.args == (2, 3)


def test_a_time_is_compared_with_a_time():
    due = timezone.now() + timedelta(days=1)
    with enqueued():
        async_task(multiply, 2, 3, q_options={"run_after": due})

        assert_enqueued(multiply, run_after=due)
        with pytest.raises(AssertionError, match="the option 'run_after': expected"):
            assert_enqueued(multiply, run_after=due + timedelta(days=1))


@pytest.mark.parametrize("func", [multiply, "tests.tasks.multiply", "tests.alias.multiply"])
def test_a_function_is_named_in_each_way(func, monkeypatch):
    import sys
    from types import ModuleType

    alias = ModuleType("tests.alias")
    alias.multiply = multiply
    monkeypatch.setitem(sys.modules, "tests.alias", alias)
    with enqueued():
        async_task(multiply, 2, 3)

        assert_enqueued(func, (2, 3))


def test_a_task_of_djangos_framework_is_named_by_itself():
    with enqueued():
        echo.enqueue(1)

        assert_enqueued(echo, (1,), {}, queue="mail", priority=7)


@pytest.mark.parametrize("args", [7, "text"])
def test_arguments_that_are_no_tuple_are_refused(args):
    with enqueued(), pytest.raises(TypeError, match="args must be the arguments"):
        assert_enqueued(multiply, args)


def test_an_argument_that_is_taken_for_an_option_is_refused():
    with enqueued(), pytest.raises(TypeError, match="'subject' is no option"):
        assert_enqueued(multiply, (), subject="x")


def test_all_that_differs_is_said():
    with enqueued():
        async_task(echo_function, 1, 2, key="x", group="a")
        with pytest.raises(AssertionError) as raised:
            assert_enqueued(echo_function, (1,), {"key": "y", "more": 1}, queue="b", group="c")

    lines = str(raised.value).splitlines()[-5:]
    assert lines == [
        "  argument 2: expected nothing, got 2",
        "  argument 'key': expected 'y', got 'x'",
        "  argument 'more': expected 1, got nothing",
        "  the queue: expected 'b', got 'test'",
        "  the option 'group': expected 'c', got 'a'",
    ]
