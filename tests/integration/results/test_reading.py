"""What the functions that read results accept."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from django_q.brokers.redis_broker import Redis
from django_q.exceptions import PackageError
from django_q.models import Task
from django_q.tasks import (
    async_task,
    count_group,
    count_group_cached,
    delete_cached,
    delete_group,
    delete_group_cached,
    fetch,
    fetch_cached,
    fetch_group,
    fetch_group_cached,
    queue_size,
    result,
    result_cached,
    result_group,
    result_group_cached,
)
from django_q.wire.package import new_package
from tests.tasks import echo

pytestmark = pytest.mark.django_db(transaction=True)


UID = UUID("12345678-1234-4678-9234-567812345678")


@pytest.mark.parametrize("read", [
    fetch, result, fetch_cached, result_cached, delete_cached, result_group, fetch_group,
    count_group, delete_group, result_group_cached, fetch_group_cached, count_group_cached,
    delete_group_cached, Task.get_task, Task.get_result, Task.get_task_group, Task.delete_group,
])  # fmt: skip
def test_a_reader_says_what_it_looks_for(broker, read):
    Task.objects.create(**row())

    for name in (None, [], {}, object(), b"a", True):
        with pytest.raises(PackageError, match=r"Expected the (id|name)"):
            read(name)
    assert not read(987654321)
    assert not read(UUID(int=987654321))
    assert Task.objects.count() == 1


def row(**values: Any) -> dict[str, Any]:
    """Make the fields of a task that has ended, and is in no group."""
    now = new_package(echo, (), {}, {})["started"]
    return {"id": "a" * 32, "name": "n", "func": "f", "started": now, "stopped": now, **values}


@pytest.mark.parametrize("read", [fetch, result, fetch_cached, result_group, fetch_group_cached])
def test_a_wait_is_a_number(broker, read):
    for wait in ("soon", None, [], True, math.nan, math.inf):
        with pytest.raises(PackageError, match="'wait' must be a number of milliseconds"):
            read("x", wait=wait)
    for wait in ("1", 0.5, timedelta(milliseconds=1), Decimal(1)):
        assert read("x", wait=wait) is None


def test_names_are_looked_up_as_they_were_given(broker, run_once):
    task_id = async_task(echo, group=5, task_name=UID)
    run_once(broker)

    assert (count_group(5), count_group("5")) == (1, 1)
    assert fetch(UUID(task_id)).id == fetch(str(UID)).id == task_id
    assert fetch_group(5, count="1")[0].group == "5"


def test_names_that_were_cut_are_found(broker, run_once):
    long = "x" * 300
    async_task(echo, group=long, task_name=long)
    run_once(broker)

    assert Task.objects.get().group == "x" * 100
    assert fetch(long).name == Task.get_task(long).name == "x" * 100
    assert count_group(long) == len(result_group(long)) == len(fetch_group(long)) == 1
    delete_group(long)
    assert count_group(long) == 0


@pytest.mark.parametrize("value", ["default", 5, Redis])
def test_readers_want_a_broker_and_not_its_name(broker, value):
    for call in (queue_size, lambda broker: fetch_cached("x", broker=broker),
                 lambda broker: count_group_cached("x", broker=broker)):  # fmt: skip
        with pytest.raises(PackageError, match="must be a broker"):
            call(value)
