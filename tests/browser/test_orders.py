"""What somebody does about tasks, in a browser: with real clusters, as who may do that alone."""

from __future__ import annotations

import pytest

from django_q.models import Schedule, Success, Task
from django_q.tasks import async_task, list_unfinished
from tests.browser.shown_texts import wait_for
from tests.integration.dashboard.visits import page_url
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_failure_is_found_by_its_error_and_resubmitted(
    visit, running_cluster, broker, tmp_path, script
):
    cluster = running_cluster(workers=1)
    receipt = {"task_name": "receipt-1042"}
    async_task("tests.tasks.fail_until", str(tmp_path / "runs"), 1, q_options=receipt)
    async_task("tests.tasks.raise_system_exit", q_options={"task_name": "another"})
    wait_until(lambda: Task.objects.filter(success=False).count() == 2)
    page = visit(java_script_enabled=script)

    page.goto(page_url("tasks"))
    page.get_by_role("searchbox").last.fill("error:ValueError")
    page.get_by_role("button", name="Search").click()
    wait_for(page, "receipt-1042")
    assert not page.get_by_role("link", name="another").is_visible()
    page.get_by_role("link", name="receipt-1042").click()
    wait_for(page, "ValueError('run 1')")
    page.get_by_role("button", name="Resubmit").click()

    wait_until(lambda: Success.objects.filter(name="receipt-1042").exists())
    page.goto(page_url("tasks") + "?q=receipt-1042")
    wait_for(page, "Succeeded")
    cluster.kill_all()


def test_a_task_that_runs_is_cancelled_by_who_may_do_that_alone(visit, running_cluster, broker):
    cluster = running_cluster(workers=1)
    task_id = async_task("tests.tasks.sleep_for", 3000, q_options={"task_name": "endless"})
    wait_until(lambda: [task.id for task in list_unfinished(state="running")] == [task_id])
    page = visit("view_ormq", "view_failure", "cancel_tasks")

    page.goto(page_url("task", task_id))
    assert not page.get_by_role("button", name="Show its stack").is_visible()
    page.get_by_label("Reason:").fill("too slow")
    page.get_by_role("button", name="Cancel").click()

    wait_until(lambda: Task.objects.filter(id=task_id, success=False).exists())
    page.goto(page_url("task", task_id))
    wait_for(page, "too slow")
    assert not page.get_by_role("button", name="Resubmit").is_visible()
    cluster.kill_all()


def test_a_schedule_is_run_now(visit, running_cluster, broker):
    cluster = running_cluster(workers=1)
    schedule = Schedule.objects.create(func="math.floor", args="2.5", name="nightly", repeats=-1)
    Schedule.objects.update(next_run="2099-01-01T00:00Z")
    page = visit("view_schedule", "change_schedule")

    page.goto(page_url("schedule", schedule.pk))
    page.get_by_role("button", name="Run now").click()

    wait_until(lambda: Success.objects.filter(func="math.floor").exists())
    assert Success.objects.get().result == 2
    cluster.kill_all()
