"""Finished tasks as rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from django_q.models import (
    Failure,
    Success,
    Task,
)
from tests.integration.models.rows import NOW, make_task

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("value", [None, 6, "text", {"a": [1]}, b"\x00", make_task, Task])
def test_any_picklable_value_is_stored_and_read(value):
    make_task(result=value, args=(value,), kwargs={"value": value})

    task = Task.objects.get()

    assert (task.result, task.args, task.kwargs) == (value, (value,), {"value": value})


@pytest.mark.parametrize(
    "pickled", ["gAJdcQAoSwFLAmUu", "KGxwMApJMQphSTIKYS4=", "gASVCQAAAAAAAABdlChLAUsCZS4="]
)
def test_results_of_older_pickle_protocols_are_read(pickled):
    task = make_task()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_q_task SET result = %s", [pickled])

    task.refresh_from_db()

    assert task.result == [1, 2]


def test_a_stored_value_is_not_copied_first():
    class Uncopyable:
        def __deepcopy__(self, memo: dict) -> None:
            raise AssertionError("copied")

        def __reduce__(self) -> tuple:
            return int, (7,)

    make_task(result=Uncopyable())

    assert Task.objects.get().result == 7


def test_a_task_is_found_by_its_id_and_by_its_name():
    task = make_task(result=6)

    assert Task.get_task(task.id) == Task.get_task(task.name) == task
    assert Task.get_result(task.id) == Task.get_result(task.name) == 6


def test_a_task_that_is_not_there_is_none():
    assert Task.get_task("x" * 32) is Task.get_task("x") is Task.get_result("x") is None


def test_a_name_as_long_as_an_id_is_found():
    task = make_task(name="n" * 32)

    assert Task.get_task("n" * 32) == task


def test_a_group_is_read_with_and_without_failures():
    good = make_task(group="g", result=6)
    bad = make_task(group="g", result="ValueError", success=False)
    make_task(group="other", result=7)

    assert list(Task.get_result_group("g")) == list(good.group_result()) == [6]
    assert set(Task.get_result_group("g", failures=True)) == {6, "ValueError"}
    assert set(Task.get_task_group("g")) == {good, bad}
    assert list(Task.get_task_group("g", failures=False)) == [good]
    assert Task.get_group_count("g") == good.group_count() == 2
    assert Task.get_group_count("g", failures=True) == good.group_count(failures=True) == 1


def test_deleting_a_group_takes_its_label_off():
    task = make_task(group="g")

    Task.delete_group("g")

    assert Task.objects.get(id=task.id).group is None


def test_deleting_a_group_with_its_tasks_leaves_the_others():
    other = make_task(group="other")
    task = make_task(group="g")

    task.group_delete(tasks=True)

    assert list(Task.objects.all()) == [other]


def test_a_task_without_a_group_has_no_group_to_ask():
    task = make_task()

    assert task.group_result() is task.group_count() is task.group_delete() is None
    assert Task.objects.count() == 1


def test_a_task_tells_its_time_its_result_and_its_name():
    task = make_task(result="x" * 200)

    assert task.time_taken() == 1.5
    assert task.short_result == "x" * 100
    assert str(task) == task.name
    assert str(Task(id="a" * 32)) == "a" * 32


def test_proxies_and_their_managers_tell_success_from_failure():
    good, bad = make_task(), make_task(success=False)

    assert [task.pk for task in Success.objects.all()] == [good.pk]
    assert [task.pk for task in Failure.objects.all()] == [bad.pk]


def test_tasks_come_latest_first():
    early = make_task(stopped=NOW)
    late = make_task(stopped=NOW + timedelta(hours=1))

    assert list(Task.objects.all()) == [late, early]
