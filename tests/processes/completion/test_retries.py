"""Retries in real clusters: delays pass, workers and monitors die, and each end counts once."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from django_q.models import Failure, Success, Task
from django_q.tasks import async_task, fetch, result
from tests.processes.guarantees.traces import EITHER_BROKER
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

#: Seconds.
DELAY = {"retry_delay": 1, "retry_backoff": 1, "retry_jitter": 0}


def pauses(task: Task) -> list[float]:
    """List the seconds between the ends of the attempts of a task."""
    times = [datetime.fromisoformat(end["time"]) for end in task.attempts]
    return [(after - before).total_seconds() for before, after in pairwise(times)]


@EITHER_BROKER
def test_each_way_to_fail_is_retried_after_its_delay(
    broker: Any, running_cluster: Any, tmp_path: Path
):
    running_cluster(max_attempts=0)
    paths = [str(tmp_path / name) for name in ("fails", "asks")]
    options = {**DELAY, "retries": 2}
    fails = async_task("tests.tasks.fail_until", paths[0], 2, q_options=options)
    asks = async_task("tests.tasks.retry_until", paths[1], 2, 1)
    dies = async_task("tests.tasks.kill_self", q_options={**options, "retries": 1})
    final = async_task(
        "tests.tasks.kill_self",
        q_options={**options, "no_retry_on": "django_q.exceptions.WorkerDied"},
    )
    late = async_task("tests.tasks.sleep_for", 300, timeout=0.5, q_options=options)

    ids = [fails, asks, dies, final, late]
    wait_until(lambda: Task.objects.filter(id__in=ids).count() == 5)

    found = {task_id: fetch(task_id) for task_id in ids}
    assert [found[task_id].result for task_id in (fails, asks)] == [3, 3]
    assert not any(found[task_id].success for task_id in (dies, final, late))
    numbers = [found[task_id].attempt_count for task_id in ids]
    assert numbers == [3, 3, 2, 1, 3]
    assert found[final].attempts is None
    for task_id in (fails, asks, dies, late):
        assert [end["attempt"] for end in found[task_id].attempts] == [*range(1, 4)][
            : found[task_id].attempt_count
        ]
        assert all(pause >= 0.9 for pause in pauses(found[task_id]))
    assert {end["exception"] for end in found[dies].attempts} == {"django_q.exceptions.WorkerDied"}
    assert {end["exception"] for end in found[late].attempts} == {
        "django_q.exceptions.TimeoutException"
    }
    wait_until(lambda: broker.queue_size() == broker.lock_size() == 0)
    assert (Success.objects.count(), Failure.objects.count()) == (2, 3)


@EITHER_BROKER
def test_deliveries_that_are_lost_with_a_cluster_cost_no_retry(
    broker: Any, running_cluster: Any, tmp_path: Path
):
    path = tmp_path / "runs"
    task_id = async_task("tests.tasks.touch_and_sleep", str(path), 300, q_options={"retries": 1})
    for number in (1, 2):
        cluster = running_cluster(retry=2)
        wait_until(lambda number=number: path.exists() and len(path.read_text().split()) == number)
        cluster.kill_all()

    cluster = running_cluster(workers=1, retry=2)
    wait_until(lambda: len(path.read_text().split()) == 3)
    cluster.kill("worker")  # the first end that somebody sees

    cluster.wait_for("to be tried again in")
    assert "(attempt 2 of 2)" in cluster.log()
    assert fetch(task_id) is None


@EITHER_BROKER
def test_a_function_is_not_called_again_when_the_hook_of_its_success_ends_the_monitor(
    broker: Any, running_cluster: Any, tmp_path: Path
):
    running_cluster(retry=2)
    path, hook = tmp_path / "words", "tests.foreign.end_process"
    options = {"hook": hook, "save": False, "q_options": {**DELAY, "retries": 2}}

    async_task("tests.foreign.leave_and_fail_once", str(path), "end", **options)

    wait_until(lambda: path.exists() and "ended" in path.read_text())
    wait_until(lambda: broker.queue_size() == broker.lock_size() == 0)
    words = path.read_text().split()
    assert words.count("end") == 2
    assert 1 <= words.count("ended") <= 3
    assert Task.objects.count() == 0
    assert result(async_task("tests.tasks.multiply", 2, 3), wait=60_000) == 6
