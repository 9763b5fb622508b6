"""When a schedule is due whose rule is new, was changed, is over, or can not be followed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import override_settings
from django.utils.timezone import now

from django_q import recurrence
from django_q.models import Schedule
from django_q.processes.scheduler import SchedulerLoop
from django_q.recurrence import RecurrenceError, Rule
from django_q.scheduler import scheduler
from django_q.tasks import schedule

pytestmark = pytest.mark.django_db(transaction=True)

UTC = timezone.utc
FUNC = "tests.tasks.echo"
YEAR = now().year + 1


def make(**overrides: Any) -> Schedule:
    """Save a cron schedule of nine o'clock."""
    values = {"func": FUNC, "schedule_type": Schedule.CRON, "cron": "0 9 * * *", "time_zone": "UTC"}
    return Schedule.objects.create(**(values | overrides))


def at(year: int, *rest: int) -> datetime:
    """Make a time in UTC."""
    return datetime(year, *rest, tzinfo=UTC)


def passed(cron: str, due: datetime, **values: Any) -> Schedule:
    """Make a schedule that is at a due time which has passed."""
    made = make(**values)
    Schedule.objects.filter(pk=made.pk).update(cron=cron, next_run=due)
    return made


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
@pytest.mark.parametrize("cron", ["0 9 1 1 * 0 {}", "30 * 1 1 * 0 {}", "0 9 1 1,2 * 0 {}"])
def test_a_cron_with_a_year_runs_its_last_time_and_is_over(broker, cron):
    cron = cron.format(YEAR - 1)
    last = recurrence.latest(Rule("C", UTC, now(), cron=cron), at(YEAR - 1, 1, 1), at(YEAR, 1, 1))
    made = passed(cron, last)

    watch_at(broker, at(YEAR, 1, 1))
    watch_at(broker, at(YEAR, 1, 1))

    made.refresh_from_db()
    assert broker.queue_size() == 1
    assert (made.repeats, made.paused, made.error) == (0, False, None)
    made.name = "renamed"
    made.full_clean()
    made.save()


def watch_at(broker: Any, moment: datetime) -> None:
    """Enqueue what is due at a moment."""
    watch = SchedulerLoop(due_schedules_of(broker))
    for each in watch.read_next():
        if each.next_run <= moment:
            watch.enqueue_schedule(each, moment)


def due_schedules_of(broker: Any) -> Any:
    """Make the due schedules of a broker."""
    from django_q.scheduling.due_schedules import DueSchedules

    return DueSchedules(broker)


def test_an_over_schedule_that_is_deployed_again_stays_over(broker):
    options = {"name": "once", "cron": f"0 9 1 1 * 0 {YEAR}", "time_zone": "UTC", "update": True}
    made = schedule(FUNC, **options)
    assert made.next_run == at(YEAR, 1, 1, 9)
    Schedule.objects.filter(pk=made.pk).update(repeats=0, next_run=at(YEAR - 1, 1, 1))

    assert schedule(FUNC, **options).repeats == 0


@pytest.mark.parametrize(
    "values",
    [
        {"cron": f"0 9 1 1 * 0 {YEAR - 2}"},
        {"cron": "0 9 31 2 *"},
        {"cron": "R 9 * * *"},
        {"cron": "0 9 * * *,r(1-3)"},
        {"cron": "H 9 * * *"},
        {"cron": "0 9 * * * " + "0," * 2_000_000},
        {"cron": ""},
        {"cron": f"0 9 1 1 * 0 {YEAR}", "next_run": at(YEAR + 1, 1, 1)},
        *({"schedule_type": "I", "minutes": m} for m in (None, 0, -5, 40000, 10**400, "0")),
    ],
)
def test_what_is_refused_is_refused_by_save_and_full_clean_alike(values):
    values = {"func": FUNC, "schedule_type": "C", "time_zone": "UTC", **values}

    with pytest.raises(ValidationError):
        Schedule(**values).full_clean()
    with pytest.raises((RecurrenceError, ValidationError)) as caught:
        Schedule.objects.create(**values)

    assert len(str(caught.value)) < 500
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (at(2999, 5, 5, 8), at(2999, 5, 5, 9)),
        (at(2999, 5, 5, 9), at(2999, 5, 5, 9)),
        (at(2999, 5, 5, 9, 0, 1), at(2999, 5, 6, 9)),
    ],
)
def test_a_cron_expression_counts_from_the_next_run_that_is_given(given, expected):
    assert make(next_run=given).next_run == expected
    assert schedule(FUNC, cron="0 9 * * *", time_zone="UTC", next_run=given).next_run == expected


def test_a_new_cron_schedule_is_never_due_in_the_past():
    assert make(next_run=at(2001, 1, 1)).next_run > now()
    assert make(next_run=None).next_run > now()


def by_save(made: Schedule, **values: Any) -> None:
    for name, value in values.items():
        setattr(made, name, value)
    made.save()


def by_save_of_fields(made: Schedule, **values: Any) -> None:
    for name, value in values.items():
        setattr(made, name, value)
    made.save(update_fields=list(values))


def by_save_of_a_part(made: Schedule, **values: Any) -> None:
    by_save(Schedule.objects.only("func").get(pk=made.pk), **values)


def by_update_or_create(made: Schedule, **values: Any) -> None:
    Schedule.objects.update_or_create(pk=made.pk, defaults=values)


def by_update(made: Schedule, **values: Any) -> None:
    Schedule.objects.filter(pk=made.pk).update(**values)


def by_bulk_update(made: Schedule, **values: Any) -> None:
    for name, value in values.items():
        setattr(made, name, value)
    Schedule.objects.bulk_update([made], list(values))


WAYS = (
    by_save,
    by_save_of_fields,
    by_save_of_a_part,
    by_update_or_create,
    by_update,
    by_bulk_update,
)


@pytest.mark.parametrize("change", WAYS)
@pytest.mark.parametrize("values", [{"cron": "30 21 * * *"}, {"time_zone": "Asia/Tokyo"}])
def test_a_cron_that_is_changed_is_due_by_its_new_rule(change, values):
    made = make()
    Schedule.objects.filter(pk=made.pk).update(anchor=now(), claimed=now(), error="was broken")

    change(Schedule.objects.get(pk=made.pk), **values)

    made.refresh_from_db()
    assert (made.next_run.hour, made.next_run.minute) == ((21, 30) if "cron" in values else (0, 0))
    assert made.next_run > now()
    assert (made.anchor, made.claimed, made.error) == (None, None, None)


@pytest.mark.parametrize("change", WAYS)
def test_what_is_changed_beside_the_rule_keeps_the_due_time(change):
    made = make()
    due = now() - timedelta(days=1)
    Schedule.objects.filter(pk=made.pk).update(next_run=due, anchor=due)

    change(Schedule.objects.get(pk=made.pk), cron="0 9 * * *", args="1", time_zone="UTC")

    made.refresh_from_db()
    assert (made.next_run, made.anchor) == (due, due)


def test_a_broken_row_can_be_saved_as_it_is():
    made = make()
    Schedule.objects.filter(pk=made.pk).update(schedule_type="I", minutes=0)
    made.refresh_from_db()

    made.pause()
    made.save()
    made.save(update_fields=["paused"])

    assert Schedule.objects.get().paused


def test_resuming_a_schedule_that_is_over_leaves_it_over():
    made = passed(f"0 9 1 1 * 0 {YEAR - 1}", at(YEAR - 1, 1, 1, 9), paused=True)
    made.refresh_from_db()

    made.resume(at(YEAR, 6, 1))

    assert (made.repeats, made.next_run) == (0, at(YEAR - 1, 1, 1, 9))


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Amsterdam", "UTC"])
@pytest.mark.parametrize("extreme", [datetime.max, datetime.min])
@pytest.mark.parametrize("kind", ["O", "D", "M", "I", "C"])
def test_a_due_time_at_the_end_of_the_calendar_stops_no_other(broker, zone, extreme, kind):
    with override_settings(USE_TZ=False, TIME_ZONE=zone):
        connection.close()
        bad = make(next_run=datetime.now(), minutes=5, time_zone=None, intended_date_kwarg="due")
        Schedule.objects.filter(pk=bad.pk).update(schedule_type=kind, next_run=extreme)
        make(schedule_type="D", next_run=datetime.now() - timedelta(seconds=5), args="'good'")

        scheduler(broker)
        scheduler(broker)

        found = Schedule.objects.filter(pk=bad.pk).first()
        assert broker.queue_size() <= 2
        if extreme == datetime.max and connection.vendor == "sqlite":
            assert (found.next_run, found.error) == (extreme, None)
        assert Schedule.objects.get(args="'good'").next_run > datetime.now()
    connection.close()


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_row_that_can_not_be_read_is_paused_and_stops_no_other(broker, caplog):
    bad = make(next_run=now())
    broken = {"postgresql": "infinity", "sqlite": "2030-99-99 10:00:00"}.get(connection.vendor)
    with connection.cursor() as cursor:
        sql = "UPDATE django_q_schedule SET next_run = %s WHERE id = %s"
        cursor.execute(sql, [broken or "2001-01-01", bad.pk])
    make(schedule_type="D", next_run=now() - timedelta(seconds=5), args="'good'")

    scheduler(broker)
    scheduler(broker)

    rows = dict(Schedule.objects.values_list("pk", "paused"))
    assert rows.pop(bad.pk) is bool(broken)
    assert list(rows.values()) == [False]
    assert broker.queue_size() == (1 if broken else 2)


def test_an_error_that_no_column_takes_stops_no_other(broker, monkeypatch):
    from django_q.signals import pre_enqueue

    def refuse(sender: Any, task: dict, **kwargs: Any) -> None:
        if task["args"] == ("bad",):
            raise RuntimeError("\x00\udc80" + "x" * 2_000_000)

    make(schedule_type="D", next_run=now() - timedelta(seconds=9), args="'bad'")
    make(schedule_type="D", next_run=now() - timedelta(seconds=5), args="'good'")
    pre_enqueue.connect(refuse)

    try:
        scheduler(broker)
    finally:
        pre_enqueue.disconnect(refuse)

    assert broker.queue_size() == 1
    assert len(Schedule.objects.get(args="'bad'").error) < 700


def test_what_is_due_and_what_time_it_is_come_in_one_query(broker, django_assert_num_queries):
    make()
    watch = SchedulerLoop(due_schedules_of(broker))

    with django_assert_num_queries(2):  # whether there is any, and which
        assert watch.enqueue_due() > 0
