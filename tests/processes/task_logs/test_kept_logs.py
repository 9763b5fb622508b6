"""Logs of tasks, with real processes: what is kept, also of a worker that was killed."""

from __future__ import annotations

import pytest

from django_q.models import TaskLog
from django_q.orders.showing import answer, ask
from django_q.task_state.shown import LOG, STACK
from django_q.tasks import async_task, fetch
from django_q.unfinished.reading import running_tasks
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
]

TASKS = "tests.logging_tasks"


def logs_of(task_id, count=1):
    """Wait for so many logs of a task; their texts, oldest first."""
    rows = TaskLog.objects.filter(task_id=task_id).order_by("pk")
    wait_until(lambda: len(rows.all()) >= count)
    return [row.text for row in rows.all()]


def test_what_a_task_logs_and_prints_is_kept(broker, running_cluster):
    cluster = running_cluster(workers=1, keep_logs=4096)
    first = async_task(f"{TASKS}.log_and_print", 7, token="s3cr3t-value")
    silent = async_task(f"{TASKS}.say_nothing")
    elsewhere = async_task(f"{TASKS}.log_elsewhere")
    long = async_task(f"{TASKS}.log_lines", 1000, "many words")

    (text,) = logs_of(first)
    lines = [line.partition(" WARNING ")[2] or line for line in text.splitlines()]
    assert lines[0] == "tests.invoices: invoice 7 with ••••••"
    assert lines[1:3] == ["printed 7 ••••••", "to stderr"]
    assert "ERROR tests.invoices: invoice 7 failed" in lines[3]
    assert lines[-1] == "ValueError: no such customer"
    assert "printed 7 s3cr3t-value" in cluster.log()  # as without keep_logs
    assert logs_of(elsewhere) == ["in a thread\nin a child\n"]
    (tail,) = logs_of(long)
    assert tail.endswith("999 many words\n")
    assert len(tail) <= 4096
    row = TaskLog.objects.get(task_id=long)
    assert row.is_truncated
    assert row.attempt == 1
    assert row.worker.endswith(f":{cluster.pids('worker')[0]}")
    wait_until(lambda: fetch(silent))
    assert not TaskLog.objects.filter(task_id=silent).exists()


def test_the_log_of_a_worker_that_was_killed_is_kept_and_that_of_the_next_attempt(
    broker, running_cluster, tmp_path
):
    running_cluster(workers=1, keep_logs=4096)
    task = async_task(f"{TASKS}.log_until_killed", str(tmp_path / "runs"), dies=True)

    first, second = logs_of(task, 2)

    assert first.endswith("WARNING tests.invoices: run 1\n")
    assert second.endswith("WARNING tests.invoices: run 2\n")
    assert [row.attempt for row in TaskLog.objects.order_by("pk")] == [1, 2]
    wait_until(lambda: (row := fetch(task)) and row.result == 2)


def test_the_log_of_a_task_that_does_not_end_at_its_time_limit_is_kept(
    broker, running_cluster, tmp_path
):
    running_cluster(workers=1, keep_logs=4096, timeout=1)
    task = async_task(f"{TASKS}.log_until_killed", str(tmp_path / "runs"))

    (text,) = logs_of(task)

    assert "run 1" in text
    assert "swallowed TimeoutException" in text
    wait_until(lambda: fetch(task))
    assert "time limit" in fetch(task).result


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_task_that_runs_shows_its_log_and_its_stack(broker, running_cluster, tmp_path):
    cluster = running_cluster(workers=1, keep_logs=4096, stop_timeout=1)
    task = async_task(f"{TASKS}.log_until_killed", str(tmp_path / "runs"))
    wait_until(lambda: task in running_tasks(broker))

    for kind in (LOG, STACK):
        ask(broker, kind, task)
        wait_until(lambda kind=kind: answer(broker, kind, task))

    assert answer(broker, LOG, task).text.endswith("run 1\n")
    stack = answer(broker, STACK, task)
    assert "in log_until_killed" in stack.text
    assert stack.text.splitlines()[-2].endswith("in wait_out_signals")
    assert stack.text.splitlines()[-1] == "    time.sleep(1)"
    assert stack.worker.endswith(str(cluster.pids("worker")[0]))  # it goes on
