"""What the monitor counts, of saved tasks and of those of which nothing is kept."""

from __future__ import annotations

import logging

import pytest
from django.db import DatabaseError

from django_q.conf import Conf, logger
from django_q.models import Rollup
from django_q.rollups import recorder
from django_q.rollups.recorder import MAX_UNWRITTEN_MINUTES, RunRecorder
from django_q.rollups.run_counts import RunCounts
from django_q.tasks import async_iter, async_task
from tests.integration.rollups.rows import counted, runs_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(monkeypatch):
    """Give the clock of the recorder, a list with the seconds since the epoch."""
    seconds = [1_800_000_030.0]
    monkeypatch.setattr(recorder.time, "time", lambda: seconds[0])
    return seconds


@pytest.fixture
def _quiet_log():
    """Log no line for each task, so that workers send receipts alone."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(level)


def test_saved_tasks_and_failures_are_counted(broker, run_all):
    for _ in range(3):
        async_task("math.copysign", 2, -2, broker=broker)
    async_task("math.sqrt", -1, broker=broker)

    run_all(broker)

    assert runs_of("math.copysign") == (3, 0)
    assert runs_of("math.sqrt") == (1, 1)
    found = counted()[Conf.CLUSTER_NAME, "math.copysign"]
    assert found.run.count == found.wait.count == 3


@pytest.mark.usefixtures("_quiet_log")
def test_tasks_of_which_nothing_is_kept_are_counted_by_function(broker, run_all, conf):
    conf(SAVE_LIMIT=-1)
    for _ in range(3):
        async_task("math.copysign", 2, -2, broker=broker)
    async_task("math.floor", 2.5, save=False, broker=broker)

    run_all(broker)

    assert runs_of("math.copysign") == (3, 0)
    assert runs_of("math.floor") == (1, 0)
    assert all(each.run.count == each.wait.count == each.runs for each in counted().values())


def test_each_item_of_an_iterable_is_a_run(broker, run_all):
    async_iter("math.floor", [1.5, 2.5, 3.5], broker=broker)

    run_all(broker)

    assert runs_of("math.floor") == (3, 0)


@pytest.mark.usefixtures("_quiet_log")
def test_nothing_is_counted_where_the_setting_says_so(broker, run_all, conf):
    conf(ROLLUPS=False)
    async_task("math.copysign", 2, -2, broker=broker)
    async_task("math.floor", 2.5, save=False, broker=broker)

    run_all(broker)

    assert not Rollup.objects.exists()


def test_a_minute_is_written_once_it_is_over(clock):
    runs = RunRecorder()
    runs.current_counts().update(one_run())

    assert runs.write_ended() == 30
    assert not Rollup.objects.exists()
    clock[0] += 30
    assert runs.write_ended() is None

    assert [(row.at, row.span) for row in Rollup.objects.all()] == [(1_800_000_000, 60)]


def test_minutes_that_can_not_be_written_are_kept_but_not_for_ever(clock, monkeypatch):
    runs = RunRecorder()
    monkeypatch.setattr(Rollup.objects, "using", refuse)
    for _ in range(MAX_UNWRITTEN_MINUTES + 5):
        runs.current_counts().update(one_run())
        clock[0] += 60
        runs.write_ended()
    assert len(runs.minutes) == MAX_UNWRITTEN_MINUTES
    monkeypatch.undo()

    runs.write_all()

    assert Rollup.objects.count() == MAX_UNWRITTEN_MINUTES


def one_run():
    return {("mail", "shop.pack"): RunCounts(1)}


def refuse(alias):
    raise DatabaseError("away")
