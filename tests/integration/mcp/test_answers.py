"""What an assistant is told, as values."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from django_q.mcp import answers
from django_q.mcp.answers import MAX_LOG_LENGTH
from django_q.models import Schedule
from django_q.task_logs.entry import LogEntry
from django_q.task_logs.rows import save_logs
from django_q.tasks import async_task
from tests.heartbeats import make_stat
from tests.tasks import raise_error

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def failed(broker, run_once):
    """The id of a task that has failed, with a secret among its arguments."""
    task_id = async_task(raise_error, password="hunter2", broker=broker)
    run_once(broker)
    return task_id


def test_a_task_is_told_with_its_traceback_and_without_its_secrets(failed):
    told = answers.task(failed)

    assert (told["found"], told["state"], told["func"]) == (
        True,
        "failed",
        "tests.tasks.raise_error",
    )
    assert "TypeError" in told["traceback"]
    assert "hunter2" not in told["kwargs"]
    json.dumps(told)


def test_a_task_is_told_with_the_log_of_each_attempt(failed):
    entries = [
        LogEntry(failed, attempt, 1000.0 * attempt, text, len(text))
        for attempt, text in ((1, "slow\n"), (2, "x" * MAX_LOG_LENGTH + "end\n"))
    ]
    save_logs(entries)

    first, second = answers.task(failed)["log"]

    assert (first["attempt"], first["text"], first["is_cut"]) == (1, "slow\n", False)
    assert (second["attempt"], second["text"][-4:], second["is_cut"]) == (2, "end\n", True)
    assert len(second["text"]) == MAX_LOG_LENGTH


def test_an_id_that_nothing_has_is_not_found(broker):
    assert answers.task("0" * 32) == {"found": False}


def test_failures_are_told_by_kind_with_the_id_of_one(failed):
    (kind,) = answers.failures()["kinds"]

    assert (kind["func"], kind["count"], kind["sample_id"]) == (
        "tests.tasks.raise_error",
        1,
        failed,
    )


def test_queues_and_clusters_are_told_as_by_qinfo(broker):
    make_stat(host="ant").save(broker)
    async_task("tests.tasks.multiply", 2, 3, broker=broker)

    (queue,) = answers.queues()["queues"]
    (cluster,) = answers.clusters()["clusters"]

    assert (queue["name"], queue["waiting"], queue["served"]) == ("test", 1, True)
    assert (cluster["host"], cluster["status"]) == ("ant", "Idle")


def test_schedules_are_told_with_their_rule_and_without_arguments(broker):
    late = timezone.now() - timedelta(hours=1)
    Schedule.objects.create(func="tests.tasks.multiply", args="(1, 'hunter2')", next_run=late)

    (schedule,) = answers.schedules()["schedules"]

    assert (schedule["func"], schedule["is_overdue"]) == ("tests.tasks.multiply", True)
    assert schedule["next_run"].startswith(late.isoformat()[:16])
    assert "hunter2" not in json.dumps(schedule)
