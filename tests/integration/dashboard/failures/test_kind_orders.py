"""Orders for all failures of a kind: by whom, how many at a time, and what is said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from django_q.dashboard.failures import kind_orders
from django_q.models import Task
from tests.integration.admin.pages import messages
from tests.integration.admin.rows import make_failure, make_task
from tests.integration.dashboard.visits import log_in, page_url

pytestmark = pytest.mark.django_db
KIND = "d" * 32


@pytest.fixture(autouse=True)
def broker(make_broker):
    return make_broker("memory")


def make_kind(number, **values):
    now = timezone.now()
    return [
        make_failure(fingerprint=KIND, stopped=now - timedelta(minutes=minutes), **values)
        for minutes in range(number)
    ]


def order(client, action, kind=KIND):
    return client.post(page_url("failures"), {"action": action, "kind": kind}, follow=True)


def test_the_failures_of_a_kind_are_resubmitted(client, broker):
    user = log_in(client, "view_failure", "change_failure")
    make_kind(3)
    make_failure(fingerprint="0" * 32)

    response = order(client, "resubmit_kind")

    assert messages(response) == ["3 tasks were resubmitted."]
    assert broker.queue_size() == 3
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (user, KIND)
    assert entry.change_message == "Resubmitted 3 failures of this kind."


def test_so_many_are_resubmitted_at_a_time(client, broker, monkeypatch):
    monkeypatch.setattr(kind_orders, "MAX_RESUBMITTED", 2)
    log_in(client, "view_failure", "change_failure")
    make_kind(5)

    response = order(client, "resubmit_kind")

    assert messages(response) == ["2 tasks were resubmitted.", "3 are left. Repeat the action."]


def test_why_failures_are_not_resubmitted_is_told(client, broker):
    log_in(client, "view_failure", "change_failure")
    make_kind(2, func="nowhere.at_all")

    (told,) = messages(order(client, "resubmit_kind"))

    assert told.startswith("2 tasks were not resubmitted: Its function can not be found")


def test_the_failures_of_a_kind_are_forgotten_the_oldest_first(client, monkeypatch):
    monkeypatch.setattr(kind_orders, "MAX_FORGOTTEN", 2)
    user = log_in(client, "view_failure", "delete_failure")
    newest = make_kind(3)[0]
    others = [make_failure(fingerprint="0" * 32), make_task()]

    response = order(client, "forget_kind")

    assert messages(response) == ["2 failures were deleted.", "1 is left. Repeat the action."]
    assert {*Task.objects.all()} == {newest, *others}
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (user, KIND)
    assert entry.change_message == "Deleted 2 failures of this kind."


def test_no_kind_is_none(client):
    log_in(client, "view_failure", "change_failure", "delete_failure")
    make_failure()

    assert messages(order(client, "forget_kind", "")) == ["0 failures were deleted."]
    assert Task.objects.count() == 1


@pytest.mark.parametrize("action", ["resubmit_kind", "forget_kind"])
def test_an_order_without_its_permission_is_forbidden(client, broker, action):
    log_in(client, "view_failure")
    make_kind(1)

    assert order(client, action).status_code == 403
    assert (Task.objects.count(), broker.queue_size()) == (1, 0)
