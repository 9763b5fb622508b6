"""Schedules of the source and their rows, as releases and administrators change them in turn."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import Any

import pytest

from django_q.models import Schedule, ScheduleSource
from django_q.scheduling.declared.discovery import SourceDeclarations
from tests.integration.scheduling.declared.releases import declared, row, start

pytestmark = pytest.mark.django_db

NIGHT, NOON = {"cron": "0 3 * * *"}, {"cron": "0 12 * * *"}


@pytest.fixture
def log(caplog: Any) -> Any:
    """Record what is logged, from the level INFO on."""
    caplog.set_level(logging.INFO, "django-q")
    return caplog


def test_a_declared_schedule_is_written_with_its_options():
    start(declared(report={**NIGHT, "args": [2], "kwargs": {"x": 3}, "retries": 4, "jitter": 60,
                           "time_zone": "Asia/Tokyo", "hook": "tests.tasks.hook"}))  # fmt: skip

    made = row("report")
    args, kwargs = made.call(made.now)
    assert (made.func, made.cron, made.jitter) == ("tests.tasks.echo", "0 3 * * *", 60)
    assert (made.time_zone, made.source) == ("Asia/Tokyo", "tests.tasks.echo")
    assert (args, kwargs["x"], kwargs["q_options"]["retries"]) == ((2,), 3, 4)
    assert (made.hook, made.next_run.astimezone(made.zone).hour) == ("tests.tasks.hook", 3)


@pytest.mark.parametrize("every", [15, "hourly", "daily", "monthly"])
def test_a_deployment_runs_no_schedule_at_once(every):
    start(declared(report={"every": every}))

    assert row("report").next_run > datetime.now(timezone.utc)


def test_a_rule_keeps_the_day_at_which_it_begins():
    start(declared(rent={"every": "monthly", "next_run": "2020-01-31 09:00"}))

    made = row("rent")
    following = [made.next_run.astimezone(made.zone)]
    for _ in range(11):
        made.next_run = made.calculate_next_run()
        following.append(made.next_run.astimezone(made.zone))
    assert {(each.hour, each.minute) for each in following} == {(9, 0)}
    assert [each.day for each in following if each.month in (1, 3, 5, 7, 8, 10, 12)] == [31] * 7


def test_a_second_start_writes_nothing(django_assert_num_queries):
    release = declared(report=NIGHT)
    start(release)

    with django_assert_num_queries(1):
        start(release)


def test_a_project_that_declares_nothing_has_no_row():
    start(declared())

    assert not ScheduleSource.objects.exists()


def test_what_an_administrator_changed_stays_until_the_declaration_changes(log):
    start(declared(report=NIGHT))
    Schedule.objects.update(cron="0 5 * * *", time_zone="Asia/Tokyo", catch_up="none")

    start(declared(report=NIGHT, other=NOON))
    assert (row("report").cron, row("report").time_zone) == ("0 5 * * *", "Asia/Tokyo")

    start(declared(report=NOON, other=NOON))
    report = row("report")
    assert (report.cron, report.time_zone, report.catch_up) == ("0 12 * * *", "Asia/Tokyo", "none")
    assert "replaces what was changed in the table: cron" in log.text


def test_a_field_that_the_source_no_longer_sets_has_its_default_again():
    start(declared(report={**NIGHT, "time_zone": "Asia/Tokyo", "jitter": 9, "overlap": "skip"}))

    start(declared(report=NIGHT))

    report = row("report")
    assert (report.time_zone, report.jitter, report.overlap) == (None, None, "allow")


def test_what_an_administrator_deleted_stays_deleted_until_the_declaration_changes():
    start(declared(report=NIGHT))
    Schedule.objects.all().delete()

    start(declared(report=NIGHT, other=NOON))
    assert not Schedule.objects.filter(name="report").exists()

    start(declared(report=NOON, other=NOON))
    assert row("report").cron == "0 12 * * *"


def test_a_name_that_an_administrator_changed_stays():
    start(declared(report=NIGHT))
    Schedule.objects.update(name="Nightly report")

    start(declared(report=NIGHT, other=NOON))

    assert sorted(Schedule.objects.values_list("name", flat=True)) == ["Nightly report", "other"]


def test_a_schedule_that_is_gone_is_paused_and_resumed_when_it_comes_back(log, conf):
    conf(release=1)
    start(declared(report=NIGHT, other=NOON))
    Schedule.objects.filter(name="report").update(
        next_run=datetime(2020, 1, 1, tzinfo=timezone.utc)
    )

    conf(release=2)
    start(declared(other=NOON))
    assert (row("report").paused, row("report").pause_reason) == (True, Schedule.UNDECLARED)
    assert "is paused, as tests.tasks.echo no longer declares it" in log.text

    conf(release=3)
    start(declared(report=NIGHT, other=NOON))
    report = row("report")
    assert (report.paused, report.pause_reason) == (False, None)
    assert report.next_run > datetime.now(timezone.utc)  # without the runs of the pause


def test_the_last_schedule_that_is_gone_is_paused():
    start(declared(report=NIGHT))

    start(declared())

    assert row("report").paused


def test_a_schedule_that_somebody_paused_stays_paused(conf):
    conf(release=1)
    start(declared(report=NIGHT, other=NOON))
    report = row("report")
    report.pause()
    report.save()

    for release, found in enumerate((declared(other=NOON), declared(report=NIGHT, other=NOON)), 2):
        conf(release=release)
        start(found)

    assert (row("report").paused, row("report").pause_reason) == (True, None)


def test_a_schedule_that_is_gone_and_somebody_resumed_goes_on():
    start(declared(report=NIGHT, other=NOON))
    start(declared(other=NOON))
    report = row("report")
    report.resume()
    report.save()

    start(declared(other=NIGHT))

    assert not row("report").paused


def test_a_new_name_of_a_function_renames_its_row():
    start(declared(report=NIGHT))
    before = row("report").pk

    start(declared(**{"nightly report": NIGHT}))

    assert (row("nightly report").pk, Schedule.objects.count()) == (before, 1)


def test_two_new_names_of_a_function_are_new_schedules():
    start(declared(report=NIGHT))

    start(declared(first=NIGHT, second=NOON))

    assert [row(name).paused for name in ("report", "first", "second")] == [True, False, False]


def test_a_schedule_that_was_made_by_hand_is_adopted():
    made = Schedule.objects.create(
        name="report", func="tests.tasks.multiply", time_zone="Asia/Tokyo"
    )

    start(declared(report=NIGHT))

    report = row("report")
    assert (report.pk, report.func, report.time_zone) == (made.pk, "tests.tasks.echo", "Asia/Tokyo")


def test_two_projects_in_one_database_leave_each_other_alone(conf):
    start(declared(report=NIGHT))
    conf(name="another")

    start(declared(other=NOON))

    assert (row("report").paused, row("other").paused) == (False, False)


def test_while_a_module_is_missing_only_new_schedules_are_written():
    start(declared(report=NIGHT, gone=NIGHT))
    found = declared(report=NOON, added=NOON)

    start(SourceDeclarations(found.declarations, ["shop.tasks"]))
    assert (row("report").cron, row("gone").paused) == ("0 3 * * *", False)
    assert row("added").cron == "0 12 * * *"

    start(found)
    assert (row("report").cron, row("gone").paused) == ("0 12 * * *", True)


def test_a_schedule_that_can_not_be_written_is_named_and_does_not_stop_the_others(log):
    found = declared(report={**NIGHT, "time_zone": "Europe/Atlantis"}, other=NOON)

    start(found)

    assert [each.name for each in Schedule.objects.all()] == ["other"]
    assert "the schedule report of tests.tasks.echo can not be written" in log.text
    assert "Europe/Atlantis" in log.text

    found.declarations["report"].values["time_zone"] = "Asia/Tokyo"  # as if it was known by now
    start(found)
    assert row("report").time_zone == "Asia/Tokyo"


def test_a_function_that_is_not_there_is_named(log):
    found = declared(report=NIGHT)
    found.declarations["report"].values["func"] = "tests.tasks.gone"

    start(found)

    assert "has no attribute 'gone'" in log.text
    assert not Schedule.objects.exists()
