"""Packages that travel as JSON, and what can not."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from django.utils import timezone

from django_q.exceptions import PackageError
from django_q.models import Success
from django_q.tasks import async_chain, async_iter, async_task, fetch, result
from tests import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_task_travels_as_json(broker, run_once, json_only):
    task_id = async_task(tasks.echo, 1, "é", [None, True, 2.5], x={"y": []}, broker=broker)

    run_once(broker)

    assert result(task_id) == [[1, "é", [None, True, 2.5]], {"x": {"y": []}}]
    assert fetch(task_id).started.tzinfo is not None


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (datetime(2030, 1, 1), "Argument 2 (datetime)"),
        (Decimal("1.5"), "Argument 2 (Decimal)"),
        (b"bytes", "Argument 2 (bytes)"),
        ({1, 2}, "Argument 2 (set)"),
        (tasks.multiply, "Argument 2 (function)"),
        ({1: "a key that would come back as a string"}, "Argument 2 (dict)"),
        ([[{"deep": uuid4()}]], "Argument 2 (list)"),
    ],
)
def test_an_argument_that_json_can_not_carry_is_named_at_the_call(broker, json_only, value, what):
    with pytest.raises(PackageError) as raised:
        async_task(tasks.echo, 1, value, broker=broker)

    assert str(raised.value).startswith(f"{what} of 'tests.tasks.echo' can not be sent")
    assert broker.queue_size() == 0


def test_a_named_argument_is_named_too(broker, json_only):
    with pytest.raises(PackageError, match=r"Argument 'when' \(datetime\)"):
        async_task(tasks.echo, when=timezone.now(), broker=broker)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ({"func": lambda: 1}, "The function"),
        ({"func": tasks.Calculator()}, "The function"),
        ({"func": tasks.nothing, "hook": lambda task: None}, "The hook"),
        ({"func": tasks.nothing, "hook": tasks.Calculator()}, "The hook"),
    ],
)
def test_a_callable_without_a_name_is_refused_at_the_call(broker, json_only, call, what):
    with pytest.raises(PackageError, match=f"{what} must be importable by name"):
        async_task(call.pop("func"), **call, broker=broker)

    assert broker.queue_size() == 0


def test_functions_and_hooks_travel_by_name(broker, run_once, json_only):
    tasks.hooked.clear()
    async_task(tasks.multiply, 2, 3, hook=tasks.hook, broker=broker)

    run_once(broker)

    assert [task.result for task in tasks.hooked] == [6]


def test_a_chain_travels_as_json(broker, run_all, json_only):
    async_chain([(tasks.multiply, (2, 3)), ("tests.tasks.multiply", (4, 5))], broker=broker)

    run_all(broker)

    assert sorted(task.result for task in Success.objects.all()) == [6, 20]


def test_a_link_of_a_chain_without_a_name_is_refused(broker, json_only):
    with pytest.raises(PackageError, match="The function of link 1"):
        async_chain([tasks.nothing, lambda: 1], broker=broker)


def test_an_iterable_travels_as_json(broker, run_all, json_only):
    task_id = async_iter(tasks.multiply, [(1, 2), (3, 4)], broker=broker)

    run_all(broker)

    assert result(task_id) == [2, 12]
