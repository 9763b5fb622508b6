"""The pages of schedules: what is told of them, and orders for one."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection

from django_q.models import Schedule
from tests.integration.admin.pages import messages, text
from tests.integration.admin.rows import make_failure, make_schedule, make_task
from tests.integration.dashboard.visits import log_in, page_url

pytestmark = pytest.mark.django_db(transaction=True)


def order(client, schedule: Schedule, action: str):
    """Give an order on the page of a schedule."""
    data = {"schedule": schedule.pk, "action": action}
    return client.post(page_url("schedule", schedule.pk), data, follow=True)


def test_its_next_and_its_last_runs_are_shown(admin_client):
    schedule = make_schedule(repeats=2)
    make_task(group="nightly", name="one-that-succeeded")
    make_failure(group="nightly", name="one-that-failed", exception="shop.errors.NoMoney")

    shown = text(admin_client.get(page_url("schedule", schedule.pk)))

    assert "2 runs left" in shown
    assert "Monday 2025-05-05 11:00:00 CEST" in shown
    assert "one-that-succeeded Success" in shown
    assert "one-that-failed NoMoney" in shown


def test_a_schedule_is_run_now(client, make_broker):
    broker = make_broker("memory")
    schedule = make_schedule()
    log_in(client, "view_schedule", "change_schedule")

    response = order(client, schedule, "run_now")

    assert messages(response) == ["The task of nightly was enqueued."]
    assert broker.queue_size() == 1
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.change_message, entry.user.username) == (
        "nightly",
        "Run now",
        "anna",
    )
    assert entry.get_edited_object() == schedule


def test_a_schedule_is_paused_and_resumed(client):
    schedule = make_schedule()
    log_in(client, "view_schedule", "change_schedule")

    order(client, schedule, "pause")
    schedule.refresh_from_db()
    assert schedule.paused
    order(client, schedule, "resume")
    schedule.refresh_from_db()
    assert not schedule.paused


def backfill(client, schedule: Schedule, start: str, end: str):
    """Ask for the runs of a time, as a browser writes it."""
    data = {"schedule": schedule.pk, "action": "backfill", "start": start, "end": end}
    return client.post(page_url("schedule", schedule.pk), data, follow=True)


def test_the_runs_of_a_time_are_enqueued(client, make_broker):
    broker = make_broker("memory")
    schedule = make_schedule(schedule_type=Schedule.DAILY)
    log_in(client, "view_schedule", "change_schedule")

    response = backfill(client, schedule, "2025-04-01T00:00", "2025-04-04T00:00")

    assert messages(response) == ["3 tasks of nightly were enqueued."]
    assert broker.queue_size() == 3
    entry = LogEntry.objects.get()
    text = "Backfilled from 2025-04-01T00:00 to 2025-04-04T00:00: 3 tasks."
    assert (entry.object_repr, entry.change_message) == ("nightly", text)


def test_a_time_that_is_none_is_refused(client, make_broker):
    broker = make_broker("memory")
    schedule = make_schedule(schedule_type=Schedule.DAILY)
    log_in(client, "view_schedule", "change_schedule")

    (message,) = messages(backfill(client, schedule, "soon", ""))

    assert "A bound of a backfill must be a time" in message
    assert (broker.queue_size(), LogEntry.objects.count()) == (0, 0)


def test_who_may_only_view_enqueues_no_runs(client):
    schedule = make_schedule(schedule_type=Schedule.DAILY)
    log_in(client, "view_schedule")

    assert "backfill" not in client.get(page_url("schedule", schedule.pk)).content.decode()
    assert backfill(client, schedule, "2025-04-01", "2025-04-02").status_code == 403


def test_who_may_only_view_has_no_buttons(client):
    schedule = make_schedule()
    log_in(client, "view_schedule")
    address = page_url("schedule", schedule.pk)

    assert "Run now" not in text(client.get(address))
    assert client.post(address, {"action": "run_now", "schedule": schedule.pk}).status_code == 403


def test_a_schedule_with_an_error_says_it(admin_client):
    schedule = make_schedule(error="No module named 'shop.gone'", paused=True)

    shown = text(admin_client.get(page_url("schedule", schedule.pk)))

    assert "No module named" in shown
    assert "Failed" in shown


def test_a_rule_that_is_invalid_hides_nothing_else(admin_client):
    schedule = make_schedule()
    Schedule.objects.filter(pk=schedule.pk).update(time_zone="Nowhere")

    shown = text(admin_client.get(page_url("schedule", schedule.pk)))

    assert "This can not be read:" in shown
    assert "Last runs" in shown


@pytest.mark.skipif(connection.vendor != "sqlite", reason="others refuse such a value")
def test_a_row_that_can_not_be_read_is_listed(admin_client):
    schedule = make_schedule(name="other")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE django_q_schedule SET next_run = '2025-13-13 00:00:00' WHERE id = %s",
            [schedule.pk],
        )
    make_schedule()

    shown = text(admin_client.get(page_url("schedules")))

    assert "nightly" in shown
    assert "Unreadable" in shown


def test_a_schedule_that_is_gone_is_not_found(admin_client):
    assert admin_client.get(page_url("schedule", 4711)).status_code == 404
