"""The lists of the admin: what each shows, and what it costs to show it."""

from __future__ import annotations

import pickle

import pytest
from django import forms
from django.core.paginator import Paginator
from django.db import connection
from django.test.html import parse_html
from django.test.utils import CaptureQueriesContext

from django_q.admin import listing
from django_q.admin.schedule_form.widgets import LongSelect
from django_q.models import Failure, OrmQ, Schedule, Success
from tests.integration.admin.pages import queries, text, url
from tests.integration.admin.rows import (
    CALLED,
    Loud,
    make_failure,
    make_queued,
    make_schedule,
    make_task,
)

pytestmark = pytest.mark.django_db


MAKERS = [(Success, make_task), (Failure, make_failure), (OrmQ, make_queued),
          (Schedule, make_schedule)]  # fmt: skip


@pytest.mark.parametrize(("model", "make"), MAKERS)
def test_a_list_and_a_page_are_shown(admin_client, model, make):
    row = make()

    for address in (url(model), url(model, "change", row.pk), url(model, "delete", row.pk)):
        assert admin_client.get(address).status_code == 200


@pytest.mark.parametrize(("model", "make"), MAKERS)
def test_a_list_costs_no_query_per_row(admin_client, model, make):
    last = make_task()
    extra = {"task": last.id} if model is Schedule else {}
    make(**extra)
    one = queries(admin_client, url(model))

    for _ in range(20):
        make(**extra)

    assert queries(admin_client, url(model)) == one


@pytest.mark.parametrize(("model", "make"), MAKERS[:3])
def test_a_list_unpickles_nothing(admin_client, monkeypatch, model, make):
    options = {"result": Loud()} if model is not OrmQ else {}
    make(args=(Loud(),), **options)
    monkeypatch.setattr(pickle, "loads", lambda *args, **kwargs: pytest.fail("unpickled"))

    response = admin_client.get(url(model))

    assert "tests.tasks.multiply" in text(response)
    assert CALLED == []


def test_a_list_does_not_read_what_tasks_carry(admin_client):
    make_task()

    with CaptureQueriesContext(connection) as captured:
        admin_client.get(url(Success))

    assert not [q for q in captured.captured_queries if '"kwargs"' in q["sql"]]


def test_only_schedules_can_be_added(admin_client):
    allowed = [admin_client.get(url(model, "add")).status_code for model, _make in MAKERS]

    assert allowed == [403, 403, 403, 200]


@pytest.mark.parametrize("model", [model for model, _make in MAKERS])
def test_strangers_are_sent_to_the_login(client, model):
    assert client.get(url(model)).status_code == 302


def test_a_small_list_is_counted_exactly():
    for _ in range(3):
        make_task()

    assert listing.rough_count(Success.objects.all()) == 3


def test_a_long_list_is_not_counted_to_its_end(monkeypatch):
    monkeypatch.setattr(listing, "MAX_COUNTED_ROWS", 5)
    for _ in range(7):
        make_task()

    assert listing.rough_count(Success.objects.all()) == 5


@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_postgresql_estimates_a_long_list(monkeypatch):
    monkeypatch.setattr(listing, "EXACT_COUNT_ROWS", 10)
    for _ in range(200):
        make_task()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE django_q_task")

    with CaptureQueriesContext(connection) as captured:
        number = listing.RoughPaginator(Success.objects.all(), 100).count

    assert 150 <= number <= 250
    assert [query["sql"][:7] for query in captured.captured_queries] == ["EXPLAIN"]
    assert isinstance(listing.RoughPaginator([], 1), Paginator)


def test_a_long_select_is_what_django_makes_of_one():
    choices = [("", "Any"), ("Europe/Oslo", 'It\'s "there" & <here>'), (3, "three")]
    attributes = {"id": "id_zone", "required": True}

    for chosen in ("", "Europe/Oslo", 3, None, "unknown"):
        long, ordinary = (
            parse_html(kind(choices=choices).render("zone", chosen, attributes))
            for kind in (LongSelect, forms.Select)
        )
        assert long == ordinary
