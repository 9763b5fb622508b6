"""The form of a schedule: the options of its tasks, which its keyword arguments hold."""

from __future__ import annotations

from typing import Any

import pytest

from django_q.models import Schedule
from django_q.models.schedule_fields.argument_text import parse_kwargs
from tests.integration.admin.pages import text, url
from tests.integration.admin.rows import make_schedule

pytestmark = pytest.mark.django_db


def form(**values: Any) -> dict[str, Any]:
    """Fill in the form of a schedule."""
    filled = {"name": "nightly", "func": "tests.tasks.multiply", "schedule_type": "D",
              "repeats": "-1", "next_run_0": "2025-05-05", "next_run_1": "11:00:00",
              "overlap": "allow", "options": ""}  # fmt: skip
    return filled | values


def field(response: Any, name: str) -> str:
    """Read what a field of the form holds at first."""
    return response.context["adminform"].form[name].value() or ""


def test_options_are_shown_and_saved_beside_the_keyword_arguments(admin_client):
    row = make_schedule(kwargs="{'x': 1, 'q_options': {'retries': 3, 'unique': True}}")
    address = url(Schedule, "change", row.pk)

    page = admin_client.get(address)
    assert field(page, "kwargs") == "x=1"
    assert field(page, "options") == "retries=3, unique=True"

    admin_client.post(address, form(kwargs="x=2  # two", options="retries=5, jitters=1"))
    row.refresh_from_db()
    assert "retries=5" not in row.kwargs  # 'jitters' is unknown: nothing is saved

    admin_client.post(address, form(kwargs="x=2  # two", options="retries=5"))
    row.refresh_from_db()
    assert parse_kwargs(row.kwargs) == {"x": 2, "q_options": {"retries": 5}}
    assert field(admin_client.get(address), "kwargs") == "x=2  # two"

    admin_client.post(address, form(kwargs="x=2", options=""))
    row.refresh_from_db()
    assert row.kwargs == "x=2"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("priority=700", "must be a whole number from -100 to 100; got 700"),
        ("retrys=1", "The option 'retrys' is unknown. Did you mean 'retries'?"),
        ("broker='x'", "The option 'broker' is not for schedules."),
        ("retries=open('x')", "must be Python literals"),
        ("expires=5, run_after=60", "must be later than 'run_after'"),
        ("1, 2", "must be Python literals"),
    ],
)
def test_options_that_can_not_work_are_refused_at_their_field(admin_client, options, expected):
    response = admin_client.post(url(Schedule, "add"), form(options=options))

    errors = response.context["adminform"].form.errors
    assert expected in " ".join(errors["options"])
    assert not Schedule.objects.exists()


def test_a_client_that_sends_no_options_writes_them_as_before(admin_client):
    values = form(kwargs="q_options={'timeout': 9}")
    del values["options"]

    admin_client.post(url(Schedule, "add"), values)

    assert parse_kwargs(Schedule.objects.get().kwargs) == {"q_options": {"timeout": 9}}


def test_jitter_has_a_field_that_is_a_day_at_most(admin_client):
    admin_client.post(url(Schedule, "add"), form(jitter="300"))
    assert Schedule.objects.get().jitter == 300

    response = admin_client.post(url(Schedule, "add"), form(jitter="86401"))
    assert "less than or equal to 86400" in text(response)


def test_a_declared_schedule_names_its_source_and_why_it_is_paused(admin_client):
    row = make_schedule(source="shop.tasks.report")
    address = url(Schedule, "change", row.pk)
    assert "Declared by shop.tasks.report." in text(admin_client.get(address))

    Schedule.objects.update(paused=True, pause_reason=Schedule.UNDECLARED)
    page = admin_client.get(address).content.decode()

    assert "shop.tasks.report: The source no longer declares it." in page
    assert 'title="The source no longer declares it."' in page


def test_a_pause_by_a_person_has_no_reason(admin_client):
    row = make_schedule(paused=True, pause_reason=Schedule.UNDECLARED)
    address = url(Schedule, "change", row.pk)

    admin_client.post(address, form())
    admin_client.post(address, form(paused="on"))

    row.refresh_from_db()
    assert (row.paused, row.pause_reason) == (True, None)
