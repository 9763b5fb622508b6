"""Failures that are run again by real clusters, and who waits for them meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from django_q.calls.resubmission import NotRepeatable, resubmit
from django_q.models import Task
from django_q.tasks import async_task, count_group, fetch, fetch_unfinished, result
from tests.earlier_release import EarlierCluster

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_who_waits_for_a_failure_that_is_run_again_gets_its_new_end(
    broker, running_cluster, wait_until, tmp_path
):
    running_cluster(workers=1)
    runs = tmp_path / "runs"
    task_id = async_task("tests.tasks.fail_until", str(runs), 1, group="letters")
    failure = fetch(task_id, wait=60_000)

    assert (failure.success, resubmit(failure)) == (False, task_id)
    value = result(task_id, wait=60_000)

    task = fetch(task_id)
    assert (task.success, task.result, count_group("letters")) == (True, value, 1)
    assert [end["exception"] for end in task.attempts] == [failure.exception, ""]


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_of_many_who_click_at_a_time_one_has_it_run_again(broker, wait_until, running_cluster):
    cluster = running_cluster(workers=1)
    task_id = async_task("tests.tasks.raise_error")
    failure = fetch(task_id, wait=60_000)
    cluster.stop()

    def click(_number: int) -> bool:
        try:
            return resubmit(failure) == task_id
        except NotRepeatable:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        clicks = list(threads.map(click, range(8)))

    assert clicks.count(True) == 1
    assert fetch_unfinished(task_id).state == "waiting"
    assert sum(broker.count_tasks()[:3]) == 1


@pytest.mark.parametrize("broker", ["orm"], indirect=True)
def test_a_cluster_of_an_earlier_release_ends_what_is_run_again(
    broker, running_cluster, wait_until, tmp_path
):
    cluster = running_cluster(workers=1)
    folder = tmp_path / "letters"
    task_id = async_task("os.mkdir", str(folder / "today"))
    failure = fetch(task_id, wait=60_000)
    cluster.stop()
    folder.mkdir()
    resubmit(failure)
    assert fetch(task_id) is None

    earlier = EarlierCluster(workers=1)
    try:
        task = fetch(task_id, wait=60_000)
    finally:
        earlier.stop()

    assert task.success, task.result
    assert Task.objects.get(id=task_id).is_rerun is False
