"""Tasks are cancelled in clusters that run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from django_q.models import Task
from django_q.tasks import (
    ENDED,
    REMOVED,
    REQUESTED,
    async_batch,
    async_task,
    cancel,
    fetch,
    list_unfinished,
)
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]
BOTH = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
CANCELLED = "django_q.exceptions.TaskCancelled"


def have_ended(ids: list[str]) -> bool:
    """Tell whether each task has ended, well or not."""
    return Task.objects.filter(id__in=ids).count() == len(ids)


def endless(group: str | None = None) -> str:
    """Enqueue a plain task that does not end by itself."""
    return async_task("tests.tasks.sleep_for", 3000, group=group)


def is_running(task_id: str) -> bool:
    """Tell whether the heartbeats name a task."""
    return task_id in [task.id for task in list_unfinished(state="running")]


@BOTH
def test_a_cluster_all_of_whose_workers_are_busy_hears_of_a_cancel(broker, running_cluster):
    running_cluster(workers=2, stop_timeout=1)
    first, second = endless(), endless()
    waiting = async_task("tests.tasks.multiply", 6, 7, q_options={"track": True})
    wait_until(lambda: is_running(first) and is_running(second))

    assert cancel(first, by="anna", reason="too long") == REQUESTED
    wait_until(lambda: have_ended([first, waiting]))

    task = fetch(first)
    assert (task.success, task.exception) == (False, CANCELLED)
    assert "cancelled by anna at 2" in task.result
    assert task.result.count("too long") >= 1
    assert fetch(waiting).result == 42  # by the worker that took the place
    assert fetch(second) is None
    assert cancel(first) == ENDED
    wait_until(lambda: broker.notices().values == {})


@BOTH
def test_a_group_is_cancelled_whatever_its_tasks_do(broker, running_cluster, tmp_path):
    trace = tmp_path / "runs"
    trace.touch()
    running_cluster(workers=1, stop_timeout=1)
    running = endless("g")
    wait_until(lambda: is_running(running))
    call = ("tests.tasks.trace", (str(trace), 1, 0))
    waiting = async_batch([call] * 20, group="g")

    assert cancel(group="g", by="anna") == REQUESTED
    after = async_batch([call] * 5, group="g")
    wait_until(lambda: have_ended([running, *waiting, *after]))

    assert {fetch(each).exception for each in [running, *waiting]} == {CANCELLED}
    assert all(fetch(each).success for each in after)
    assert len(trace.read_text().split()) == 5


@BOTH
def test_no_task_that_was_said_to_be_removed_has_run(broker, running_cluster, tmp_path):
    trace = tmp_path / "runs"
    trace.touch()
    running_cluster(workers=2, stop_timeout=1)
    ids = [send(trace, number) for number in range(150)]

    answers = {task_id: cancel(task_id) for task_id in reversed(ids)}
    wait_until(lambda: have_ended(ids))

    ran = {int(number) for number in trace.read_text().split()}
    removed = {n for n, task_id in enumerate(ids) if answers[task_id] == REMOVED}
    assert removed.isdisjoint(ran)
    assert {n for n, task_id in enumerate(ids) if answers[task_id] == ENDED} <= ran
    for number, task_id in enumerate(ids):
        assert fetch(task_id).success == (number in ran), answers[task_id]


def send(trace: Path, number: int) -> Any:
    """Enqueue a tracked task that leaves its number."""
    return async_task("tests.tasks.trace", str(trace), number, 0, q_options={"track": True})
