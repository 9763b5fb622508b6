"""The figures of a step of the charts, read by the pointer, by keys, and without JavaScript."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.browser.shown_texts import wait_for
from tests.integration.dashboard.visits import page_url
from tests.integration.rollups.rows import add_row

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def minute(make_broker: Any) -> int:
    """Add two runs that ended ten minutes ago, and three a minute later; returns that minute."""
    make_broker("memory")
    minute = int(time.time()) // 60 * 60 - 540
    add_row(minute - 60, runs=2)
    add_row(minute, runs=3)
    return minute


def test_the_arrow_keys_read_a_chart_while_it_is_replaced(visit, minute):
    page = visit()
    page.goto(page_url("charts"))
    chart = page.get_by_role("slider", name="Run time")

    chart.focus()
    page.keyboard.press("ArrowLeft")

    wait_for(page, "2 ended, 0 failed")
    assert "2 ended, 0 failed" in chart.get_attribute("aria-valuetext")
    assert page.locator(".dash-read").count() == 4  # the step, in each chart
    add_row(minute - 60, runs=5)
    wait_for(page, "7 ended, 0 failed")  # by polling
    page.keyboard.press("End")
    wait_for(page, "3 ended, 0 failed")
    page.keyboard.press("Escape")
    assert page.locator(".dash-reading").count() == 0


def test_the_pointer_reads_a_chart(visit, minute):
    page = visit()
    page.goto(page_url("charts"))

    page.locator(".dash-hints rect").first.hover()
    wait_for(page, "2 ended, 0 failed")

    page.get_by_role("heading", name="Charts").first.hover()
    page.locator(".dash-reading").wait_for(state="detached")


def test_without_javascript_the_browser_tells_the_figures_and_a_table_has_them(visit, minute):
    page = visit(java_script_enabled=False)
    page.goto(page_url("charts"))

    assert "2 ended, 0 failed" in page.locator(".dash-hints title").first.text_content()
    page.get_by_text("The numbers of the charts").first.click()
    assert page.get_by_role("row").filter(has_text="957 ms").last.is_visible()
