"""The page of failures by kind."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from django_q.dashboard.failures import failures_page, kinds
from tests.integration.admin.pages import queries, text
from tests.integration.admin.rows import make_failure, make_task
from tests.integration.dashboard.visits import ALONE, IN_ADMIN, log_in, page_url

pytestmark = pytest.mark.django_db
KIND = "d" * 32


@pytest.fixture(autouse=True)
def _broker(make_broker):
    make_broker("memory")


def fail(minutes=5, fingerprint=KIND, **values):
    stopped = timezone.now() - timedelta(minutes=minutes)
    return make_failure(fingerprint=fingerprint, stopped=stopped, **values)


@pytest.mark.parametrize("place", [IN_ADMIN, ALONE])
def test_a_kind_has_its_number_and_links(admin_client, place):
    fail(70, name="older")
    newest = fail(5, name="newest", exception="shop.errors.CardDeclined")

    response = admin_client.get(page_url("failures", place=place))

    page = response.content.decode()
    assert "CardDeclined 2" not in page
    assert page_url("task", newest.pk, place=place) in page
    assert f"{page_url('tasks', place=place)}?q=kind%3A{KIND}" in page
    assert "newest" in text(response)
    assert "older" not in text(response)
    assert "1 kind" in text(response)


def test_the_bars_show_each_hour_and_tell_the_same_in_words(admin_client):
    fail(70)
    fail(5)
    fail(6)

    page = admin_client.get(page_url("failures")).content.decode()

    bars = re.findall(r'<svg class="dash-bars".*?</svg>', page, re.S)
    assert len(bars) == 2  # of all failures, and of the kind
    assert bars[0].count("<rect") == 2
    assert 'aria-label="2 in the last hour, 3 in 24 hours"' in bars[1]
    assert "style=" not in bars[1]


def test_an_outage_before_the_last_hour_is_a_step(admin_client):
    for _ in range(8):
        fail(150)
    fail(5)

    page = admin_client.get(page_url("failures")).content.decode()

    heights = re.findall(r'<rect x="(\d+)" y="\d+" width="4" height="(\d+)"', page)
    assert heights[:2] == [("105", "24"), ("115", "3")]


def test_what_was_not_looked_at_is_marked(admin_client, monkeypatch):
    monkeypatch.setattr(kinds, "MAX_LOOKED_FAILURES", 2)
    for minutes in (5, 10, 600):
        fail(minutes)

    response = admin_client.get(page_url("failures"))

    assert "Looked at the newest 2 failures, back to" in text(response)
    assert '<rect class="dash-uncounted" x="0" y="0" width="115"' in response.content.decode()


def test_kinds_come_in_pages(admin_client, monkeypatch):
    monkeypatch.setattr(failures_page, "PAGE_KINDS", 2)
    for number in range(5):
        fail(fingerprint=f"{number:032x}")

    seen, address = [], page_url("failures")
    while address:
        response = admin_client.get(address)
        seen += [row.kind.fingerprint for row in response.context["rows"]]
        address = response.context["next"] and page_url("failures") + response.context["next"]

    assert sorted(seen) == [f"{number:032x}" for number in range(5)]
    assert admin_client.get(page_url("failures") + "?from=nonsense").status_code == 200


def test_a_kind_costs_no_query_of_its_own(admin_client):
    fail()
    before = queries(admin_client, page_url("failures"))
    for number in range(20):
        fail(fingerprint=f"{number:032x}")

    assert queries(admin_client, page_url("failures")) == before


def test_no_failures_are_none(admin_client):
    make_task()

    assert "No failures" in text(admin_client.get(page_url("failures")))


def test_who_may_not_view_failures_does_not(client):
    log_in(client, "view_success")

    assert client.get(page_url("failures")).status_code == 403


def test_orders_are_offered_to_who_may_give_them(client):
    fail()
    log_in(client, "view_failure", "delete_failure")

    page = client.get(page_url("failures")).content.decode()

    assert 'value="forget_kind"' in page
    assert 'value="resubmit_kind"' not in page
