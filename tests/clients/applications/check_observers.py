"""Applications that watch tasks record one success and one failure as they were."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_taskly.models import TaskSnapshot
from overseer.models import Job, Run, Worker
from tasks_monitor.models import TaskRecord
from tasks_monitor.retry import retry

from tests.clients.applications.shop.tasks import add, die, fail, fail_once_more

VALUE_ERROR = "builtins.ValueError"
TRACEBACK_END = "ValueError: as asked\n"


@pytest.fixture
def ended(run: Any, wait_until: Any) -> tuple[Any, Any]:
    """Run a task that succeeds and one that fails."""
    return run(add, 2, y=3), run(fail)


def test_tasks_monitor_records_both(ended):
    done, failed = ended

    record = TaskRecord.objects.get(result_id=done.id)
    assert (record.status, record.attempts, record.args) == ("SUCCESSFUL", 1, [2])
    assert (record.kwargs, record.task_name, record.worker_ids) == (
        {"y": 3},
        "add",
        done.worker_ids,
    )
    assert record.enqueued_at <= record.started_at <= record.finished_at
    record = TaskRecord.objects.get(result_id=failed.id)
    assert (record.status, record.exception_class) == ("FAILED", VALUE_ERROR)
    assert record.traceback.endswith(TRACEBACK_END)


def test_tasks_monitor_enqueues_a_failure_again(ended, wait_until):
    again = retry(TaskRecord.objects.get(result_id=ended[1].id))

    wait_until(lambda: TaskRecord.objects.get(pk=again.pk).status == "FAILED")

    assert TaskRecord.objects.get(pk=again.pk).args == []


def test_overseer_records_both(ended):
    done, failed = (Run.objects.get(result_id=result.id) for result in ended)

    assert (done.status, done.job.status, done.attempt) == ("SUCCESSFUL", "SUCCEEDED", 1)
    assert (done.job.args, done.job.kwargs) == ([2], {"y": 3})
    assert done.enqueued_at <= done.started_at <= done.finished_at
    assert (failed.status, failed.job.status) == ("FAILED", "FAILED")
    assert failed.exception_class == VALUE_ERROR
    assert failed.traceback.endswith(TRACEBACK_END)
    assert Worker.objects.filter(worker_id__in=ended[0].worker_ids).count() == 1


def test_overseer_runs_a_failure_again_as_its_policy_says(wait_until):
    first, second = fail_once_more.enqueue("twice"), fail_once_more.enqueue("twice")
    job = Run.objects.get(result_id=first.id).job

    wait_until(lambda: Job.objects.get(pk=job.pk).is_finished)

    assert second.id == first.id
    runs = job.runs.order_by("attempt")
    assert [(run.attempt, run.status) for run in runs] == [(1, "FAILED"), (2, "FAILED")]
    assert {run.exception_class for run in runs} == {"builtins.LookupError"}


def test_taskly_records_both(ended):
    done, failed = (TaskSnapshot.objects.get(task_id=result.id) for result in ended)

    assert (done.status, done.task_name, done.attempts) == ("SUCCESSFUL", "add", 1)
    assert done.duration_seconds >= 0
    assert (failed.status, failed.attempts) == ("FAILED", 1)
    assert failed.last_error_traceback.endswith(TRACEBACK_END)
    # It asks for an attribute that errors of the framework do not have.
    assert failed.last_error_class == ""


def test_they_hear_of_a_worker_that_died(run, wait_until):
    result = run(die.using(max_attempts=1))

    # The monitor tells them, when it has saved the result.
    wait_until(lambda: TaskRecord.objects.get(result_id=result.id).status == "FAILED")
    record = TaskRecord.objects.get(result_id=result.id)
    assert (record.status, record.attempts) == ("FAILED", 1)
    assert record.exception_class == "django_q.exceptions.WorkerDied"
    wait_until(lambda: Run.objects.get(result_id=result.id).job.status == "FAILED")
    wait_until(lambda: TaskSnapshot.objects.get(task_id=result.id).status == "FAILED")


@pytest.mark.parametrize("address", ["/taskly/", "/admin/tasks_monitor/taskrecord/"])
def test_their_pages_show_the_tasks(ended, address):
    user, _ = User.objects.get_or_create(username="ann", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)

    response = client.get(address)

    assert response.status_code == 200
    assert b"fail" in response.content
