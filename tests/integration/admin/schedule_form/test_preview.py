"""The preview of a schedule: words for its cron expression, and its next times."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import translation

from django_q.models import Schedule
from tests.integration.admin.pages import text, url
from tests.integration.admin.rows import make_schedule

pytestmark = pytest.mark.django_db


def asked(client, **values):
    """Ask for the preview of what a form holds."""
    return client.get(reverse("admin:django_q_schedule_preview"), values)


def test_a_cron_expression_has_words_and_five_times_by_its_clock(admin_client):
    found = asked(admin_client, schedule_type="C", cron="0 17 * * 1-5", time_zone="Asia/Tokyo",
                  next_run_0="2030-01-05", next_run_1="00:00:00").json()  # fmt: skip

    assert found["words"] == "At 17:00, Monday through Friday"
    assert found["times"][0] == "Mon Jan. 7, 2030, 17:00 JST"
    assert (len(found["times"]), found["error"]) == (5, "")


def test_times_follow_the_clock_over_its_change(admin_client):
    found = asked(admin_client, schedule_type="D", next_run_0="2030-03-30", next_run_1="02:30:00",
                  time_zone="Europe/Amsterdam").json()  # fmt: skip

    assert [time.partition(", 2030, ")[2] for time in found["times"]] == [
        *("02:30 CET", "03:00 CEST", "02:30 CEST", "02:30 CEST", "02:30 CEST")
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"schedule_type": "C", "cron": "0 17"}, "A cron expression must look like"),
        ({"schedule_type": "C", "cron": "<b>"}, "A cron expression must look like"),
        ({"schedule_type": "C"}, "needs a cron expression"),
        ({"schedule_type": "C", "cron": "0 0 30 2 *"}, "names no time"),
        ({"schedule_type": "I", "minutes": "x"}, "must be a number from 1"),
        ({"schedule_type": "X"}, "is not a schedule type"),
        ({"schedule_type": "D", "time_zone": "Europe/Atlantis"}, "is not known here"),
        ({"schedule_type": "D", "repeats": "0"}, "does not run again"),
        ({"schedule_type": "D", "next_run_0": "9999-12-31", "next_run_1": "23:00"}, ""),
        ({}, "is not a schedule type"),
    ],
)
def test_what_can_not_run_says_why(admin_client, values, expected):
    response = asked(admin_client, **values)

    assert response.status_code == 200
    assert expected in response.json()["error"]


def test_the_page_of_a_saved_schedule_has_its_preview_without_a_script(admin_client):
    row = make_schedule(schedule_type="C", cron="0 17 * * 1-5")

    page = admin_client.get(url(Schedule, "change", row.pk))

    assert "At 17:00, Monday through Friday" in text(page)
    assert f'data-url="{reverse("admin:django_q_schedule_preview")}"' in page.content.decode()
    assert page.content.decode().count("17:00 CE") == 5


def test_the_page_of_a_new_schedule_has_an_empty_one(admin_client):
    assert "<ol></ol>" in admin_client.get(url(Schedule, "add")).content.decode()


def test_a_script_stands_in_no_page(admin_client):
    page = admin_client.get(url(Schedule, "add")).content.decode()

    assert "django_q/schedule.js" in page
    assert "django-q-preview" not in "".join(page.split("<script")[1:]).partition("</script>")[0]


@pytest.mark.parametrize(
    ("permission", "status"),
    [("view_schedule", 200), ("add_schedule", 200), ("view_task", 403)],
)
def test_only_who_may_see_or_add_schedules_is_answered(client, permission, status):
    user = User.objects.create_user("ada", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename=permission))
    client.force_login(user)

    assert asked(client, schedule_type="D").status_code == status


def test_who_is_not_logged_in_is_sent_to_the_login(client):
    assert "/login/" in asked(client, schedule_type="D")["Location"]


def test_the_words_are_in_the_language_of_the_page(admin_client):
    with translation.override("nl"):
        make_schedule(schedule_type="C", cron="0 17 * * 1-5",
                      next_run=datetime(2030, 1, 1, tzinfo=timezone.utc))  # fmt: skip
        found = asked(admin_client, schedule_type="C", cron="0 17 * * 1-5").json()

    assert found["words"] == "Om 17:00, maandag t/m vrijdag"
