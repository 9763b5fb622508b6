"""How finished tasks become rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.db.models.signals import post_save
from django.utils import timezone

from django_q.completion.completion import complete
from django_q.models import Failure, Success, Task
from django_q.results import saving
from django_q.tasks import async_chain, async_task, count_group

pytestmark = pytest.mark.django_db

mysql_only = pytest.mark.skipif(
    connection.vendor != "mysql", reason="what it shows is particular to MySQL and MariaDB"
)
#: Few rows go one way into PostgreSQL, many another.
FEW_AND_MANY = pytest.mark.parametrize("count", [1, 30])


def finished(**values: Any) -> dict[str, Any]:
    """Make the package of a task that has ended."""
    now = timezone.now()
    return {
        "id": uuid4().hex,
        "name": "any-name",
        "func": "tests.tasks.multiply",
        "args": (2, 3),
        "kwargs": {},
        "result": 6,
        "success": True,
        "started": now,
        "stopped": now,
        **values,
    }


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


def test_a_result_that_needs_no_row_gets_none(conf):
    conf(save_limit=-1)

    saving.save([finished(), finished(save=True), finished(success=False), finished(save=False)])

    assert (Success.objects.count(), Failure.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("limit", "save", "saved"),
    [
        (250, None, True), (250, True, True), (250, False, False),
        (0, None, True), (0, True, True), (0, False, False),
        (-1, None, False), (-1, True, True), (-1, False, False),
    ],
)  # fmt: skip
def test_the_task_says_whether_a_success_is_saved_and_the_settings_where_it_says_nothing(
    conf, limit, save, saved
):
    conf(save_limit=limit)
    for options in ({"save": save}, {"q_options": {"save": save}}):
        async_task("tests.tasks.multiply", 2, 3, sync=True, **options)
    chain = async_chain(["tests.tasks.nothing", "tests.tasks.nothing"], sync=True, save=save)
    saving.save([finished(save=save)])
    assert Success.objects.count() == (5 if saved else 0)
    assert count_group(chain) == (2 if saved else 0)

    saving.save([finished(save=save, success=False)])
    assert Task.objects.filter(success=False).count() == 1


def test_what_is_saved_by_its_own_wish_is_pruned_as_all_others(conf):
    conf(save_limit=2)
    for _ in range(5):
        async_task("tests.tasks.multiply", 2, 3, sync=True, save=True)
    assert Success.objects.count() == 2

    conf(save_limit=-1)  # no success is saved but those, and none is pruned
    for _ in range(5):
        async_task("tests.tasks.multiply", 2, 3, sync=True, save=True)
    assert Success.objects.count() == 7


def test_the_oldest_successes_beyond_the_limit_are_pruned_and_failures_are_kept(conf):
    conf(save_limit=3)
    now = timezone.now()
    packages = [finished(stopped=now + timedelta(seconds=n), result=n) for n in range(5)]
    saving.save([finished(success=False, stopped=now - timedelta(days=9)), *packages])

    assert sorted(task.result for task in Success.objects.all()) == [2, 3, 4]
    assert Failure.objects.count() == 1


@pytest.mark.parametrize("per", [None, "func"])
def test_a_new_limit_on_many_rows_is_reached_in_steps_that_a_busy_monitor_makes_small(
    conf, monkeypatch, per
):
    monkeypatch.setattr(saving, "PRUNED_ROWS_PER_SAVE", 10)
    conf(save_limit=0)
    saving.save([finished() for _ in range(30)])
    conf(save_limit=1, save_limit_per=per)

    saving.save([finished()])
    assert Success.objects.count() == 30 + 1 - (1 + 10)

    saving.save([finished() for _ in range(5)])
    assert Success.objects.count() == 20 + 5 - (5 + 2)


@pytest.mark.parametrize("column", ["group", "name", "func"])
def test_the_limit_can_be_kept_for_each(conf, column):
    conf(save_limit=2, save_limit_per=column)
    now = timezone.now()

    saving.save(
        [finished(stopped=now + timedelta(seconds=n), **{column: f"k{n % 2}"}) for n in range(10)]
    )

    values = sorted(Success.objects.values_list(column, flat=True))
    assert values == ["k0", "k0", "k1", "k1"]


def test_receivers_of_post_save_are_called():
    seen = []

    def receive(instance: Task, **kwargs: Any) -> None:
        seen.append(instance.result)

    post_save.connect(receive, sender=Task)
    try:
        saving.save([finished(result=1), finished(result=2)])
    finally:
        post_save.disconnect(receive, sender=Task)

    assert sorted(seen) == [1, 2]
    assert Task.objects.count() == 2


@pytest.mark.parametrize(
    "text",
    [
        "database is locked",  # SQLite
        "database or disk is full",
        "deadlock detected",  # PostgreSQL
        "could not serialize access due to concurrent update",
        "canceling statement due to lock timeout",
        'could not extend file "base/5/1259": No space left on device',
        "(1205, 'Lock wait timeout exceeded; try restarting transaction')",  # MySQL
        "(1114, \"The table 'django_q_task' is full\")",
    ],
)
def test_what_passes_is_waited_for_although_another_row_is_taken(text):
    assert saving.is_away(OperationalError(text), "default")
    assert not saving.is_away(OperationalError("Incorrect string value"), "default")
    assert not Task.objects.exists()


@FEW_AND_MANY
@pytest.mark.parametrize("broken", [RuntimeError, IntegrityError, ValueError])
def test_what_a_receiver_of_post_save_raises_costs_no_row(caplog, count, broken):
    def receive(instance: Task, **kwargs: Any) -> None:
        if instance.result == 0:
            raise broken("as asked")

    post_save.connect(receive, sender=Task)
    try:
        saving.save([finished(result=n) for n in range(count)])
    finally:
        post_save.disconnect(receive, sender=Task)

    assert sorted(task.result for task in Success.objects.all()) == list(range(count))
    assert "receivers of its signals, one of which failed" in caplog.text
    assert "as asked" in caplog.text
