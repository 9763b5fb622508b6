"""How finished tasks become rows, one by one and many at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from django_q.completion.completion import complete
from django_q.models import Failure, Success, Task
from django_q.results import saving
from tests.integration.results.finished_packages import FEW_AND_MANY, finished

pytestmark = pytest.mark.django_db


mysql_only = pytest.mark.skipif(
    connection.vendor != "mysql", reason="what it shows is particular to MySQL and MariaDB"
)


@FEW_AND_MANY
def test_what_is_saved_is_read_back(count):
    packages = [finished(result={"n": n}, kwargs={"key": "ä'\\"}) for n in range(count)]

    saving.save(packages)

    for package in packages:
        task = Task.objects.get(id=package["id"])
        assert (task.args, task.kwargs, task.result) == ((2, 3), {"key": "ä'\\"}, package["result"])
        assert (task.success, task.attempt_count) == (True, 1)
        assert abs(task.stopped - package["stopped"]) < timedelta(milliseconds=1)


@FEW_AND_MANY
def test_a_success_replaces_a_failure_and_not_the_other_way_round(count):
    packages = [finished(success=False, result="no") for _ in range(count)]
    saving.save(packages)
    assert Failure.objects.count() == count

    saving.save([{**package, "success": True, "result": 1} for package in packages])
    saving.save([{**package, "success": False, "result": "late"} for package in packages])

    assert [task.result for task in Success.objects.all()] == [1] * count
    assert Failure.objects.count() == 0


@FEW_AND_MANY
def test_a_name_that_the_database_refuses_is_changed_and_the_others_stay_as_they_are(count):
    packages = [finished() for _ in range(count)]
    bad = finished(name="nul\x00led \ud800", func="a" * 300, group="x" * 200)

    saving.save([*packages, bad])

    assert Task.objects.count() == count + 1
    task = Task.objects.get(id=bad["id"])
    assert (task.func, task.name[-2:]) == ("a" * 256, " ?")
    assert (task.args, task.result, task.success) == ((2, 3), 6, True)


@pytest.fixture
def narrow():
    """The table in an encoding without characters of four bytes, as many an old database has."""
    convert = "ALTER TABLE django_q_task CONVERT TO CHARACTER SET"
    with connection.cursor() as cursor:
        cursor.execute(f"{convert} utf8mb3")
        yield
        cursor.execute(f"{convert} utf8mb4")


@mysql_only
@pytest.mark.django_db(transaction=True)
@FEW_AND_MANY
def test_a_name_that_an_encoding_has_not_is_saved_with_other_characters(narrow, count):
    saving.save([finished(name="smile \U0001f600", group="ä") for _ in range(count)])

    tasks = list(Task.objects.all())
    assert [(task.name, task.group, task.result) for task in tasks] == [("smile ?", "ä", 6)] * count


@mysql_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("large", ["result", "args"])
def test_a_value_that_the_server_hangs_up_at_is_left_out(caplog, large):
    value = (bytes(17 * 1024 * 1024),)
    bad = finished(**{large: value})
    packages = [finished(), bad, finished()]

    saving.save(packages)

    assert [Task.objects.get(id=package["id"]).success for package in packages] == [True] * 3
    task = Task.objects.get(id=bad["id"])
    assert task.args is None
    assert "stored as text" in task.result if large == "result" else task.result == 6
    assert "is saved with" in caplog.text


@mysql_only
@pytest.mark.django_db(transaction=True)
def test_what_the_server_hangs_up_at_is_acknowledged_where_the_queue_is(make_broker):
    broker = make_broker("orm")
    broker.enqueue("a")
    (delivery,) = broker.dequeue(wait=0)

    complete([finished(result=bytes(17 * 1024 * 1024), ack_id=delivery.ack_id)], broker, None)

    assert (Task.objects.count(), broker.lock_size()) == (1, 0)
