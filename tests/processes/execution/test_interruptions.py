"""Tasks that are interrupted, with real processes: by a stop, a crash, an order or a limit."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from django.contrib.auth.models import Group

from django_q.orders.cancelling import cancel
from django_q.status import Stat
from django_q.tasks import async_task, fetch
from tests.interruptible_tasks import lines
from tests.waiting import comes, wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
    pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True),
]

TASKS = "tests.interruptible_tasks"


@pytest.fixture
def trace(tmp_path):
    """Give the path of a file in which tasks leave lines."""
    return str(tmp_path / "trace")


def running(broker):
    """List what the clusters say that they run."""
    return [task for stat in Stat.get_all(broker) for task in stat.running]


@pytest.mark.parametrize("kind", ["loop", "loop_and_catch_all"])
def test_a_stop_ends_a_loop_soon_and_the_next_cluster_goes_on(broker, running_cluster, trace, kind):
    cluster = running_cluster(workers=1, stop_timeout=60)
    task = async_task(f"{TASKS}.{kind}", trace, 40, 0.2)
    wait_until(lambda: len(lines(trace)) > 5)

    began = time.monotonic()
    assert cluster.stop() == 0
    assert time.monotonic() - began < 30
    done = len(lines(trace))
    assert done < 35

    running_cluster(workers=1)
    wait_until(lambda: fetch(task))

    assert lines(trace) == [str(number) for number in range(40)]
    assert fetch(task).result == "attempt 1"  # the interrupted one does not count


def test_a_worker_that_is_killed_repeats_the_items_of_a_second_at_most(
    broker, running_cluster, trace
):
    cluster = running_cluster(workers=1)
    task = async_task(f"{TASKS}.loop", trace, 40, 0.1)
    wait_until(lambda: len(lines(trace)) > 15)

    cluster.kill("worker")
    wait_until(lambda: fetch(task))

    done = Counter(lines(trace))
    assert list(done) == [str(number) for number in range(40)]
    assert sum(done.values()) <= 40 + 2  # what ran, and none that was confirmed


def test_a_cluster_that_is_killed_repeats_the_items_of_a_second_or_two(
    broker, running_cluster, trace
):
    cluster = running_cluster(workers=1, retry=3)
    task = async_task(f"{TASKS}.loop", trace, 60, 0.1)
    wait_until(lambda: len(lines(trace)) > 40)

    cluster.kill_all()
    running_cluster(workers=1, retry=3)
    wait_until(lambda: fetch(task))

    done = Counter(lines(trace))
    assert list(done) == [str(number) for number in range(60)]
    assert sum(done.values()) <= 60 + 25


@pytest.mark.parametrize("batch", [None, 3])
def test_rows_whose_transaction_a_crash_has_rolled_back_are_done_again(
    broker, running_cluster, trace, batch
):
    for number in range(12):
        Group.objects.create(name=f"group {number}")
    cluster = running_cluster(workers=1)
    task = async_task(f"{TASKS}.loop_through_groups", trace, 0.1, batch)
    wait_until(lambda: len(lines(trace)) > 5)

    cluster.kill("worker")
    wait_until(lambda: fetch(task))

    assert fetch(task).success, fetch(task).result
    names = Group.objects.values_list("name", flat=True)
    assert len(names) == 12
    # The worker may die between the commit and the next item: then one of them is done again.
    assert sum(name.count("again") for name in names) in range(12, 12 + (batch or 1) + 1)
    assert all("again" in name for name in names)


def test_a_running_task_is_cancelled_within_seconds_and_its_row_says_by_whom(
    broker, running_cluster, trace
):
    cluster = running_cluster(workers=1)
    task = async_task(f"{TASKS}.wait_to_be_cancelled", trace)
    wait_until(lambda: lines(trace))

    began = time.monotonic()
    assert cancel(task, by="anna") in ("requested", "unknown")
    wait_until(lambda: fetch(task))

    assert time.monotonic() - began < 15
    assert lines(trace) == ["begun", "over"]
    assert not fetch(task).success
    assert "cancelled by anna" in fetch(task).result
    cluster.wait_for("after cancellation")


def test_a_task_that_can_not_be_interrupted_is_killed_and_recorded_as_cancelled(
    broker, running_cluster, trace
):
    running_cluster(workers=1)
    task = async_task(f"{TASKS}.work_without_alarms", trace)
    wait_until(lambda: lines(trace))

    cancel(task, by="anna")
    wait_until(lambda: fetch(task))

    assert lines(trace) == ["begun", "cancelled"]
    assert "cancelled by anna" in fetch(task).result
    assert fetch(task).exception.endswith("TaskCancelled")


def test_a_task_behind_the_cancelled_one_runs(broker, running_cluster, trace):
    running_cluster(workers=1)
    task = async_task(f"{TASKS}.wait_to_be_cancelled", trace)
    others = [async_task("tests.tasks.multiply", number, 2) for number in range(20)]
    wait_until(lambda: lines(trace))

    cancel(task)
    wait_until(lambda: all(fetch(each) for each in [task, *others]))

    assert [fetch(each).result for each in others] == [2 * number for number in range(20)]


def test_cancels_of_tasks_that_run_hit_no_other(broker, running_cluster):
    running_cluster(workers=2)
    tasks = [async_task("tests.tasks.sleep_for", 0.02) for _ in range(150)]
    cancelled = tasks[::10]
    for task in cancelled:
        cancel(task)
    wait_until(lambda: all(fetch(each) for each in tasks))

    others = [fetch(each) for each in tasks if each not in cancelled]
    assert [task.result for task in others if not task.success] == []


@pytest.mark.parametrize("start_method", ["fork", "forkserver", "spawn"])
def test_a_task_that_runs_is_seen_soon_in_an_idle_cluster_with_its_progress(
    broker, running_cluster, trace, start_method
):
    running_cluster(workers=1, guard_cycle=0.2, start_method=start_method)
    # The heartbeat of a cluster that is idle, which is followed by none for five seconds.
    wait_until(lambda: any(str(stat.status) == "Idle" for stat in Stat.get_all(broker)))
    task = async_task(f"{TASKS}.tell_progress", trace, group="mail")
    wait_until(lambda: lines(trace))

    assert comes(lambda: running(broker), 3)
    # It may have been seen before it had told how far it is.
    wait_until(lambda: [entry.get("note") for entry in running(broker)] == ["reading"])

    (entry,) = running(broker)
    assert (entry["id"], entry["group"]) == (task, "mail")
    assert (entry["done"], entry["total"], entry["note"]) == (3, 12, "reading")
    cancel(task, by="anna")
    wait_until(lambda: fetch(task))
    assert "cancelled by anna" in fetch(task).result


@pytest.mark.parametrize("kind", ["catch_soft_timeout", "catch_soft_timeout_at_await"])
def test_a_soft_timeout_can_be_caught_and_the_time_limit_ends_the_task_then(
    broker, running_cluster, trace, kind
):
    running_cluster(workers=1)
    options = {"soft_timeout": 0.5, "timeout": 3}
    caught = async_task(f"{TASKS}.{kind}", trace, 60, q_options=options)
    ended = async_task(f"{TASKS}.{kind}", trace, 60, 60, q_options=options)
    in_time = async_task(f"{TASKS}.{kind}", trace, 0, q_options=options)
    wait_until(lambda: all(fetch(each) for each in (caught, ended, in_time)))

    assert fetch(caught).result == "caught Task exceeded its soft time limit"
    assert not fetch(ended).success
    assert "exceeded its time limit" in fetch(ended).result
    assert fetch(in_time).result == "nothing to catch"
    assert lines(trace) == ["soft", "soft"]


@pytest.mark.parametrize("kind", ["describe", "describe_async"])
def test_a_task_knows_itself(broker, running_cluster, kind):
    running_cluster(workers=1)
    task = async_task(f"{TASKS}.{kind}", group="mail", task_name="a-name", timeout=60)
    wait_until(lambda: fetch(task))

    found = fetch(task).result
    assert fetch(task).success, found
    assert 30 < found.pop("seconds") <= 60
    assert found == {
        "id": task,
        "name": "a-name",
        "attempt": 1,
        "group": "mail",
        "queue": "test",
        "is_cancelled": False,
        "exists": True,
    }
