"""The dashboard in a browser: live, by hand, and without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest

from django_q.orders.steering import queue
from django_q.tasks import async_task
from tests.browser.shown_texts import MILLISECONDS, wait_for
from tests.heartbeats import make_stat
from tests.integration.dashboard.visits import ALONE, IN_ADMIN, page_url
from tests.waiting import DEADLINE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def row(page: Any, name: str) -> Any:
    """Find the row of a table by its title."""
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def test_a_task_is_seen_while_it_runs_with_its_progress(visit, running_cluster, broker, tmp_path):
    cluster = running_cluster(workers=1)
    page = visit()
    page.goto(page_url("overview"))
    assert "No task is running." in page.content()

    path = str(tmp_path / "told")
    async_task("tests.interruptible_tasks.tell_progress", path, 60, q_options={"task_name": "slow"})

    wait_for(page, "3/12 25%")
    assert row(page, "slow").locator("progress").get_attribute("value") == "0.250"
    page.get_by_role("button", name="Live").click()
    assert page.get_by_role("button", name="Not live").get_attribute("aria-pressed") == "false"
    cluster.kill_all()


@pytest.mark.parametrize("place", [IN_ADMIN, ALONE], ids=["admin", "alone"])
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_queue_is_paused_with_and_without_javascript(make_broker, visit, place, script):
    make_stat().save(make_broker("memory"))
    page = visit(java_script_enabled=script)
    page.goto(page_url("queue", "test", place=place))

    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")

    wait_for(page, "Queue test is paused.")
    assert queue("test").control().is_paused
    assert page.get_by_role("button", name="Live").is_visible() == script
    page.get_by_role("button", name="Resume").click()
    wait_for(page, "Queue test is resumed.")
    assert not queue("test").control().is_paused


def test_what_somebody_types_is_not_replaced(make_broker, visit):
    make_stat().save(make_broker("memory"))
    page = visit("view_ormq", "limit_queue")
    page.goto(page_url("queue", "test"))
    page.get_by_label("Tasks at a time").fill("12")

    queue("test").limit(3)

    wait_for(page, "limit 3")  # by polling, in another region
    assert page.get_by_label("Tasks at a time").input_value() == "12"
    queue("test").limit(None)


def test_a_page_that_has_not_changed_is_asked_for_and_not_sent(make_broker, visit):
    make_broker("memory")
    page = visit()
    page.goto(page_url("schedules"))

    def is_unchanged(response: Any) -> bool:
        return response.status == 304

    with page.expect_response(is_unchanged, timeout=DEADLINE * MILLISECONDS):
        pass
