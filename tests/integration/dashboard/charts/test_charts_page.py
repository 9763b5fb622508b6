"""The page of charts, and the last hour on the overview."""

from __future__ import annotations

import time

import pytest
from django.core.management import call_command

from django_q.models import DeployMark, Rollup
from tests.integration.dashboard.visits import log_in, page_url
from tests.integration.rollups.rows import add_row

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _queue(make_broker):
    make_broker("memory")


@pytest.fixture
def _rows():
    """Add a failure and some runs of two functions, a minute ago."""
    minute = int(time.time()) // 60 * 60 - 60
    for number, key in enumerate([("mail", "mail.send"), ("shop", "shop.pack")]):
        add_row(minute, runs=7 + number, key=key)
    Rollup.objects.create(at=minute, span=60, counts='[["shop","shop.fail",3,3,[],[]]]')


def read(client, **choices):
    return client.get(page_url("charts"), choices).content.decode()


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("period", ["", "hour", "day", "week", "month", "century"])
def test_each_period_has_its_charts_and_their_numbers_in_tables(admin_client, period):
    page = read(admin_client, period=period)

    assert page.count('<svg class="dash-chart"') == 4
    assert "Ended: 18, at most 18 in a step" in page
    assert "Failed runs: 3, at most 3 in a step" in page
    assert "shop.<wbr>pack" in page
    assert ">The numbers of the charts</caption>" in page
    assert " style=" not in page.split('id="live-charts"')[1]


@pytest.mark.usefixtures("_rows")
def test_a_queue_and_a_function_are_chosen(admin_client):
    assert "Ended: 11," in read(admin_client, queue="shop")
    assert "Ended: 8," in read(admin_client, queue="shop", func="shop.pack")
    assert "Ended: 0," in read(admin_client, func="<b>none")
    assert "<b>none" not in read(admin_client, func="<b>none")


def test_marks_of_deploys_are_drawn(admin_client, capsys):
    call_command("qmark", " v12 <b> \n")

    page = read(admin_client)

    assert capsys.readouterr().out == "Marked: v12 <b>\n"
    assert DeployMark.objects.get().text == "v12 <b>"
    assert page.count(">v12 &lt;b&gt;</text>") == 4


def test_a_page_without_counts_says_so(admin_client, conf):
    assert "Nothing has ended in this time" in read(admin_client)

    conf(rollups=False)
    assert "Clusters count nothing" in read(admin_client)


@pytest.mark.usefixtures("_rows")
def test_the_charts_need_a_permission_to_view_tasks(client):
    log_in(client, "view_schedule")

    assert client.get(page_url("charts")).status_code == 403
    assert "live-hour" not in client.get(page_url("overview")).content.decode()


@pytest.mark.usefixtures("_rows")
def test_the_overview_shows_the_last_hour_in_small(admin_client):
    page = admin_client.get(page_url("overview")).content.decode()

    assert page.split('id="live-hour"')[1].count('<svg class="dash-bars"') >= 4
    assert "Ended in the last hour: 18" in page
    assert page_url("charts") in page
