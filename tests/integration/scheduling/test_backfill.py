"""Backfilling: the runs of a schedule for a span of times."""

from __future__ import annotations

from datetime import date, datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from django_q.exceptions import PackageError
from django_q.models import Schedule
from django_q.scheduling.backfill import MAX_BACKFILLED_RUNS, TooManyRuns
from django_q.tasks import backfill
from tests.integration.scheduling.due_rows import FUNC, make_schedule, taken

pytestmark = pytest.mark.django_db(transaction=True)

EITHER = pytest.mark.parametrize("broker", ["memory", "redis", "orm"], indirect=True)
MEMORY = pytest.mark.parametrize("broker", ["memory"], indirect=True)


def report(**values: object) -> Schedule:
    """Save a schedule whose tasks get the time that they are for."""
    given = {"name": "report", "schedule_type": "C", "cron": "0 9 * * *", "paused": True}
    given |= {"intended_date_kwarg": "due", "time_zone": "America/New_York"}
    return make_schedule(**(given | values))


@EITHER
def test_each_time_of_the_span_is_one_task_with_that_time(broker):
    row = report()
    before = Schedule.objects.values().get(pk=row.pk)

    ids = backfill(row, "2026-03-07", date(2026, 3, 10))

    tasks = taken(broker)
    assert [task["id"] for task in tasks] == ids
    # The clocks of New York change on 8 March.
    assert [datetime.fromisoformat(task["kwargs"]["due"]).astimezone(timezone.utc).hour
            for task in tasks] == [14, 13, 13]  # fmt: skip
    assert [(task["func"], task["group"]) for task in tasks] == [(FUNC, "report")] * 3
    assert Schedule.objects.values().get(pk=row.pk) == before


@MEMORY
def test_a_schedule_is_found_by_its_name(broker):
    report()

    assert len(backfill("report", "2026-05-05", "2026-05-06")) == 1
    with pytest.raises(Schedule.DoesNotExist, match="no schedule with the name 'reports'"):
        backfill("reports", "2026-05-05", "2026-05-06")


@MEMORY
def test_the_options_of_the_schedule_count_and_its_jitter_does_not(broker):
    report(kwargs="q_options={'priority': 7}", jitter=600, overlap="skip", cluster=None)

    backfill("report", "2026-05-05", "2026-05-07")

    assert [(task.priority, task.state) for task in broker.list_tasks()] == [(7, "waiting")] * 2


@MEMORY
def test_a_bound_with_a_time_zone_is_that_moment(broker):
    amsterdam = ZoneInfo("Europe/Amsterdam")  # at 15:00 it is nine in New York
    start, end = (
        datetime(2026, 5, 5, 15, tzinfo=amsterdam),
        datetime(2026, 5, 6, 15, tzinfo=amsterdam),
    )

    assert len(backfill(report(), start, end)) == 1


@MEMORY
def test_too_many_runs_are_refused_before_any_is_enqueued(broker):
    report(schedule_type="I", minutes=1, cron=None)

    with pytest.raises(TooManyRuns, match="may have 10,000 runs"):
        backfill("report", "2026-01-01", "2026-02-01")

    assert broker.queue_size() == 0
    assert MAX_BACKFILLED_RUNS == 10_000


@MEMORY
def test_a_span_without_times_enqueues_nothing(broker):
    assert backfill(report(), "2026-05-05 10:00", "2026-05-05 11:00") == []
    assert backfill(report(), "2026-05-06", "2026-05-05") == []


@MEMORY
@pytest.mark.parametrize("bound", [None, 5, "soon", "2026-13-01"])
def test_a_bound_that_is_no_time_is_refused(broker, bound):
    with pytest.raises(PackageError, match="A bound of a backfill must be"):
        backfill(report(), bound, "2026-05-05")


@MEMORY
def test_a_schedule_that_runs_once_has_no_other_times(broker):
    with pytest.raises(PackageError, match="runs once"):
        backfill(make_schedule(schedule_type="O"), "2026-05-05", "2026-05-06")
