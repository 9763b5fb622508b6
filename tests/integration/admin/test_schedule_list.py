"""The list of schedules in the admin, and the head of a schedule's page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_q.models import Schedule
from tests.integration.admin.pages import text, url
from tests.integration.admin.rows import make_schedule

pytestmark = pytest.mark.django_db


def test_the_list_says_how_often_a_schedule_runs(admin_client):
    make_schedule(schedule_type=Schedule.MINUTES, minutes=15, repeats=-1)
    make_schedule(schedule_type=Schedule.CRON, cron="5 4 * * *", repeats=7)

    page = text(admin_client.get(url(Schedule)))

    assert " Every 15 minutes for ever " in page
    assert " 5 4 * * * 7 " in page
    assert "-1" not in page


@pytest.mark.parametrize(
    ("due", "found"),
    [
        ("overdue", ["late"]),
        ("hour", ["late", "soon"]),
        ("day", ["late", "soon", "today"]),
        ("week", ["late", "soon", "this week", "today"]),
        ("nonsense", ["far", "late", "paused", "soon", "this week", "today"]),
    ],
)
def test_schedules_are_filtered_by_when_they_are_due(admin_client, due, found):
    now = timezone.now()
    for name, hours in {"late": -1, "soon": 0.5, "today": 20, "this week": 90, "far": 900}.items():
        make_schedule(name=name, next_run=now + timedelta(hours=hours))
    make_schedule(name="paused", paused=True, next_run=now)

    response = admin_client.get(url(Schedule), {"due": due})

    assert sorted(row.name for row in response.context["cl"].result_list) == found
    assert "Past 7 days" not in text(response)


def test_the_page_of_a_schedule_has_its_name_on_top(admin_client):
    schedule = make_schedule(name="nightly")

    response = admin_client.get(url(Schedule, "change", schedule.pk))

    assert response.context["subtitle"] == "nightly"
    assert "Scheduled tasks &rsaquo; nightly" in text(response).replace("\u203a", "&rsaquo;")


def test_a_schedule_without_a_name_has_that_of_its_function(admin_client):
    schedule = make_schedule(name="")

    response = admin_client.get(url(Schedule, "change", schedule.pk))

    assert response.context["subtitle"] == "tests.tasks.multiply"


def test_the_error_of_a_schedule_stands_above_its_fields(admin_client):
    schedule = make_schedule(error="There is no function 'shop.gone'.")

    page = admin_client.get(url(Schedule, "change", schedule.pk)).content.decode()

    assert page.index("shop.gone") < page.index('name="name"')


def test_the_buttons_of_a_schedule_stand_on_top_as_well(admin_client):
    schedule = make_schedule()

    page = admin_client.get(url(Schedule, "change", schedule.pk)).content.decode()

    assert page.count('name="_save"') == 2
    assert page.index('name="_save"') < page.index('name="name"')
