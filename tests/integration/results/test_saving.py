"""Which finished tasks are saved, how many are kept, and who is told."""

from __future__ import annotations

import os
import resource
from datetime import timedelta
from resource import RLIMIT_FSIZE
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.db.models.signals import post_save
from django.utils import timezone

from django_q.exceptions import StoreUnavailable
from django_q.foreign_code.guards import CurrentForeignCall
from django_q.models import Failure, Success, Task
from django_q.results import saving
from django_q.tasks import async_chain, async_task, count_group
from tests.integration.results.finished_packages import FEW_AND_MANY, finished

pytestmark = pytest.mark.django_db


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
        "disk I/O error",
        "database disk image is malformed",
    ],
)
def test_what_passes_is_waited_for_although_another_row_is_taken(text):
    assert saving.is_away(OperationalError(text), "default")
    assert not saving.is_away(OperationalError("Incorrect string value"), "default")
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    "code", ["53100", "58030", "57P01", "XX001", 1021, 1026, 1114], ids=lambda code: f"{code}"
)
def test_what_the_machine_refuses_the_database_is_waited_for_whatever_language_it_says_it_in(code):
    error = OperationalError(code, "kein Platz")
    error.sqlstate = code if isinstance(code, str) else None  # type: ignore[attr-defined]

    assert saving.is_away(error, "default")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="its files are those of the process")
@pytest.mark.django_db(transaction=True)
def test_a_row_for_which_a_file_may_not_grow_is_waited_for_although_smaller_ones_are_taken():
    saving.save([finished(result=0)])
    path, limits = f"{connection.settings_dict['NAME']}-wal", resource.getrlimit(RLIMIT_FSIZE)
    large = finished(result=os.urandom(3_000_000))
    resource.setrlimit(RLIMIT_FSIZE, (os.path.getsize(path) + 500_000, limits[1]))
    try:
        with pytest.raises(StoreUnavailable):
            saving.save([large])
        saving.save([finished(result=1)])
    finally:
        resource.setrlimit(RLIMIT_FSIZE, limits)
    saving.save([large])

    assert Success.objects.get(id=large["id"]).result == large["result"]


@FEW_AND_MANY
@pytest.mark.parametrize(
    "error",
    [
        *(RuntimeError("as asked"), IntegrityError("as asked"), ValueError("as asked")),
        # They say what a database says that is busy, and are none of its errors.
        *(RuntimeError("the door is locked"), OSError(28, "No space left on device")),
        *(KeyError(1213), LookupError(1026, "no such row")),
    ],
    ids=repr,
)
def test_what_a_receiver_of_post_save_raises_costs_no_row(caplog, count, error):
    def receive(instance: Task, **kwargs: Any) -> None:
        if instance.result == 0:
            raise error

    post_save.connect(receive, sender=Task)
    try:
        saving.save([finished(result=n) for n in range(count)])
    finally:
        post_save.disconnect(receive, sender=Task)

    assert sorted(task.result for task in Success.objects.all()) == list(range(count))
    assert "receivers of its signals, one of which failed" in caplog.text
    assert str(error.args[-1]) in caplog.text


@pytest.mark.parametrize(("ended", "is_told"), [(0, False), (1, False), (3, True)])
def test_receivers_that_end_processes_are_told_of_rows_of_tasks_that_were_only_retried(
    monkeypatch, ended, is_told
):
    """A task that was delivered four times, and whose ends were recorded so often."""
    monkeypatch.setattr(CurrentForeignCall, "crash_causes", {"1": saving.SIGNAL_RECEIVERS_TEXT})
    told = []
    ends = [{"attempt": number, "exception": "E"} for number in range(1, ended + 1)]

    def tell(instance, **about):
        told.append(instance.pk)

    post_save.connect(tell, sender=Task)
    saving.save([finished(attempt=4, ends=ends, ended_count=ended)])
    post_save.disconnect(tell, sender=Task)

    assert bool(told) is is_told
    assert Task.objects.count() == 1
