"""What real clusters run is found by the ids of the tasks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_q.brokers.terms import Terms
from django_q.models import Task
from django_q.signing import SignedPackage
from django_q.tasks import async_task, fetch_unfinished, list_unfinished
from django_q.wire.package import new_package

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_plain_task_that_runs_is_found_until_it_has_ended(
    broker, running_cluster, wait_until, tmp_path
):
    running_cluster(workers=1)
    end, func = tmp_path / "end", "tests.tasks.sleep_until_there"
    task_id = async_task(func, str(end), group="slow", task_name="a-nap")

    wait_until(lambda: fetch_unfinished(task_id))
    task = fetch_unfinished(task_id)

    assert (task.id, task.name, task.group, task.queue) == (task_id, "a-nap", "slow", "test")
    assert (task.state, task.func, task.attempt) == ("running", func, 1)
    assert task_id in [each.id for each in list_unfinished(state="running")]
    end.touch()
    wait_until(lambda: fetch_unfinished(task_id) is None)
    # A heartbeat may name it no more before its result has been saved.
    wait_until(lambda: Task.objects.filter(id=task_id).exists())
    assert abs(Task.objects.get(id=task_id).started - task.since) < timedelta(milliseconds=1)


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_tracked_task_is_never_missed(broker, running_cluster, wait_until, tmp_path):
    end = tmp_path / "end"
    package = new_package("tests.tasks.sleep_until_there", (str(end),), {}, {})
    broker.enqueue_task(SignedPackage.dumps(package), Terms(package["id"], priority=3))
    states = []

    def look():
        task = fetch_unfinished(package["id"])
        states.append(task and (task.state, task.attempt, task.priority))
        return states[-1]

    look()
    running_cluster(workers=1)
    wait_until(lambda: look() == ("running", 1, 3))
    end.touch()
    wait_until(lambda: look() is None)

    assert Task.objects.filter(id=package["id"]).exists()
    assert list(dict.fromkeys(states)) == [("waiting", 0, 3), ("running", 1, 3), None]
