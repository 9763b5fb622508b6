"""Schedules in the admin: their list, their actions and their form."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone as django_timezone

from django_q.models import Failure, OrmQ, Schedule
from tests.integration.admin.pages import act, messages, text, url
from tests.integration.admin.rows import NOW, make_failure, make_schedule

pytestmark = pytest.mark.django_db


def test_the_list_of_schedules_tells_how_the_last_run_went(admin_client):
    task = make_failure()
    make_schedule(task=task.id)

    page = admin_client.get(url(Schedule)).content.decode()

    assert url(Failure, "change", task.pk) in page
    assert 'alt="False"' in page


@pytest.mark.parametrize(
    ("values", "state"),
    [({}, "Active"), ({"paused": True}, "Paused"), ({"repeats": 0}, "Done"),
     ({"next_run": None}, "Done"), ({"error": "no such function", "paused": True}, "Failed"),
     ({"error": "no answer"}, "Trying again")],
)  # fmt: skip
def test_the_list_of_schedules_tells_their_state(admin_client, values, state):
    make_schedule(**values)

    assert f" {state} " in text(admin_client.get(url(Schedule)))


def test_a_schedule_that_failed_tells_why(admin_client):
    schedule = make_schedule(error="There is no function 'shop.gone'.")

    assert "no function &#x27;shop.gone&#x27;" in text(
        admin_client.get(url(Schedule, "change", schedule.pk))
    )


def test_a_schedule_is_run_now_and_its_due_time_stays(admin_client, orm):
    schedule = make_schedule(hook="tests.tasks.echo", cluster="long", intended_date_kwarg="due",
                             kwargs="y=4, q_options={'timeout': 9}")  # fmt: skip

    response = act(admin_client, Schedule, "run_now", schedule)

    (queued,) = OrmQ.objects.all()
    schedule.refresh_from_db()
    due = datetime.fromisoformat(queued.kwargs().pop("due"))
    assert messages(response) == ["1 task was enqueued."]
    assert (queued.key, queued.args(), queued.kwargs()["y"]) == ("long", (2, 3), 4)
    assert queued.task["hook"] == "tests.tasks.echo"
    assert (queued.group(), queued.task["timeout"]) == ("nightly", 9)
    assert abs(django_timezone.now() - due) < timedelta(minutes=1)
    assert (schedule.task, schedule.next_run) == (queued.task_id(), NOW)


def test_a_schedule_with_broken_arguments_is_named_and_does_not_stop_the_others(admin_client, orm):
    broken = make_schedule(name="broken", args="open('x')")
    whole = make_schedule()

    response = act(admin_client, Schedule, "run_now", broken, whole)

    assert messages(response)[-1] == "1 task was enqueued."
    assert messages(response)[0].startswith("broken: args must be Python literals")


def test_a_schedule_is_paused_and_resumed_at_its_next_due_time(admin_client):
    schedule = make_schedule()

    act(admin_client, Schedule, "pause", schedule)
    schedule.refresh_from_db()
    assert schedule.paused

    Schedule.objects.update(error="failed")
    act(admin_client, Schedule, "resume", schedule)
    schedule.refresh_from_db()
    assert (schedule.paused, schedule.error) == (False, None)
    assert timedelta(0) < schedule.next_run - django_timezone.now() <= timedelta(hours=25)
    assert schedule.next_run.astimezone(schedule.zone).hour == NOW.astimezone(schedule.zone).hour


def test_a_schedule_is_resumed_by_its_form(admin_client):
    schedule = make_schedule(paused=True, error="failed")

    admin_client.post(url(Schedule, "change", schedule.pk), form())

    schedule.refresh_from_db()
    assert (schedule.paused, schedule.error) == (False, None)
    assert schedule.next_run > django_timezone.now()


def form(**values: Any) -> dict[str, Any]:
    """Fill in the form of a schedule."""
    filled = {"name": "nightly", "func": "tests.tasks.multiply", "schedule_type": "D",
              "repeats": "-1", "next_run_0": "2025-05-05", "next_run_1": "11:00:00",
              "overlap": "allow"}  # fmt: skip
    return filled | values


def test_a_schedule_is_added(admin_client):
    admin_client.post(url(Schedule, "add"), form(time_zone="America/New_York", args="2, 3"))

    schedule = Schedule.objects.get()
    assert (schedule.time_zone, schedule.next_run) == ("America/New_York", NOW)


def test_a_cron_schedule_is_added_and_due_by_its_expression(admin_client):
    admin_client.post(url(Schedule, "add"), form(schedule_type="C", cron="0 0 1 1 *"))

    assert Schedule.objects.get().next_run > django_timezone.now()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"schedule_type": "C"}, "needs a cron expression"),
        ({"schedule_type": "C", "cron": "x"}, "must look like"),
        ({"schedule_type": "I"}, "needs a number above 0"),
        ({"args": "open('x')"}, "must be Python literals"),
        ({"time_zone": "Europe/Atlantis"}, "is not known here"),
    ],
)
def test_a_schedule_that_can_not_work_is_refused(admin_client, values, expected):
    response = admin_client.post(url(Schedule, "add"), form(**values))

    assert expected in text(response)
    assert not Schedule.objects.exists()


def test_a_changed_cron_expression_sets_the_next_run(admin_client):
    schedule = make_schedule(schedule_type="C", cron="0 0 1 1 *", error="old", anchor=NOW)
    Schedule.objects.update(next_run=NOW)

    admin_client.post(
        url(Schedule, "change", schedule.pk), form(schedule_type="C", cron="0 5 1 1 *")
    )

    schedule.refresh_from_db()
    assert schedule.next_run.astimezone(schedule.zone).hour == 5
    assert (schedule.error, schedule.anchor) == (None, None)


def test_a_schedule_that_was_not_changed_keeps_its_anchor(admin_client):
    due = NOW + timedelta(microseconds=7)  # which a form can not show
    schedule = make_schedule(next_run=due, anchor=due - timedelta(days=3))

    admin_client.post(url(Schedule, "change", schedule.pk), form(func="other"))

    schedule.refresh_from_db()
    assert (schedule.func, schedule.next_run) == ("other", due)
    assert schedule.anchor == due - timedelta(days=3)


def test_a_schedule_is_saved_and_run_from_its_page(admin_client, orm):
    schedule = make_schedule()

    admin_client.post(url(Schedule, "change", schedule.pk), form(args="4, 5", _run="1"))

    assert OrmQ.objects.get().args() == (4, 5)


def test_without_croniter_a_cron_expression_can_only_be_read(admin_client, monkeypatch):
    monkeypatch.setattr("django_q.admin.schedules.croniter", None)
    schedule = make_schedule()

    page = admin_client.get(url(Schedule, "change", schedule.pk)).content.decode()

    assert 'name="cron"' not in page
