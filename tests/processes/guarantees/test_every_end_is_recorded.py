"""Every end of a task is recorded: time limits, killed workers, packages that can not be run."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from django_q.models import Failure, Success, Task
from django_q.signing import SignedPackage
from django_q.status import Stat
from django_q.tasks import async_task, fetch
from tests.processes.guarantees.traces import EITHER_BROKER, runs
from tests.tasks import Deadly, Endless
from tests.waiting import DEADLINE, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def test_a_timed_out_task_is_recorded_as_failed(broker, running_cluster):
    cluster = running_cluster()
    task_id = async_task("tests.tasks.sleep_for", 300, timeout=1)

    task = fetch(task_id, wait=60_000)

    assert not task.success
    assert task.result.startswith("TimeoutException('Task exceeded its time limit')")
    assert task.exception == "django_q.exceptions.TimeoutException"
    cluster.wait_for("after timeout")


def test_a_task_that_ignores_its_time_limit_is_killed_and_recorded(broker, running_cluster):
    running_cluster()
    task_id = async_task("tests.tasks.sleep_deaf", 300, timeout=0.5)

    task = fetch(task_id, wait=60_000)

    assert not task.success
    assert "exceeded its time limit and its worker was killed" in task.result
    assert task.exception == "django_q.exceptions.TimeoutException"
    assert task.started < task.begun < task.stopped
    wait_until(lambda: broker.lock_size() == 0)


def test_a_row_names_the_process_that_ran_it_as_heartbeats_do(broker, running_cluster):
    running_cluster(workers=2)
    started = timezone.now()
    killed = fetch(async_task("tests.tasks.sleep_deaf", 300, timeout=0.5), wait=60_000)

    done = fetch(async_task("tests.tasks.sleep_for", 0.1), wait=60_000)

    wait_until(lambda: done.worker in workers(Stat.get_all(broker)))
    assert killed.worker not in workers(Stat.get_all(broker))
    assert killed.worker.partition(":")[0] == done.worker.partition(":")[0]
    assert started < done.started < done.begun < done.stopped
    assert (done.stopped - done.begun).total_seconds() > 0.09


def workers(stats):
    """List the workers of clusters, as rows name them."""
    return [f"{stat.host}:{pid}" for stat in stats for pid in stat.workers]


def test_a_task_that_kills_its_worker_ends_after_three_attempts(broker, running_cluster, tmp_path):
    cluster = running_cluster(retry=60)
    task_id = async_task("tests.tasks.kill_self")

    wait_until(lambda: (task := fetch(task_id)) and task.attempt_count == 3)

    assert "SIGKILL" in fetch(task_id).result
    assert fetch(task_id).exception == "django_q.exceptions.WorkerDied"
    assert Failure.objects.count() == 1
    wait_until(lambda: broker.queue_size() == broker.lock_size() == 0)
    assert fetch(async_task("tests.tasks.multiply", 2, 3), wait=60_000).result == 6
    assert cluster.process.poll() is None


def test_os_exit_in_a_task_is_recorded_with_its_code(broker, running_cluster):
    running_cluster(max_attempts=1)

    task = fetch(async_task("tests.tasks.exit_now", 7), wait=60_000)

    assert not task.success
    assert "code 7" in task.result


@EITHER_BROKER
def test_a_package_that_kills_who_reads_it_is_moved_aside(broker, running_cluster):
    cluster = running_cluster(retry=60)
    async_task("tests.tasks.echo", Deadly(), broker=broker)

    wait_until(lambda: broker.dead_size() == 1)

    cluster.wait_for("Worker ended while it read the package: its exit with code 7")
    cluster.wait_for("reincarnated", 3)
    assert broker.queue_size() == broker.lock_size() == 0
    assert fetch(async_task("tests.tasks.multiply", 2, 3), wait=60_000).result == 6


def test_a_package_that_is_never_read_to_its_end_is_moved_aside(broker, running_cluster):
    cluster = running_cluster(timeout=0.5, retry=60)
    async_task("tests.tasks.echo", Endless(), broker=broker)

    wait_until(lambda: broker.dead_size() == 1)

    cluster.wait_for("Reading the package exceeded its time limit")
    assert broker.queue_size() == broker.lock_size() == 0
    assert fetch(async_task("tests.tasks.multiply", 2, 3), wait=60_000).result == 6


def test_junk_on_the_list_is_moved_aside_and_work_goes_on(broker, running_cluster):
    cluster = running_cluster()
    for junk in ("junk", b"\xff\xfe", "a:b:c", "gAWVCgAAAAAAAAB9lIwBYZRLAXMu:1xV3z2:0SAqcIrnLIt"):
        broker.enqueue(junk)
    task_id = async_task("tests.tasks.multiply", 2, 3)

    assert fetch(task_id, wait=60_000).result == 6

    wait_until(lambda: broker.dead_size() == 4)
    wait_until(lambda: broker.lock_size() == 0)
    cluster.wait_for("undecodable")
    assert cluster.log().count("undecodable") == 1


def test_a_package_that_can_not_be_run_is_recorded_as_failed(broker, running_cluster):
    running_cluster()
    package = {"name": "by hand", "func": "tests.tasks.multiply", "started": timezone.now()}
    for number, wrong in enumerate(({"timeout": "soon"}, {"chain": [3]}, {"func": 5})):
        broker.enqueue(SignedPackage.dumps({**package, "id": str(number) * 32, **wrong}))

    for number in range(3):
        task = fetch(str(number) * 32, wait=60_000)
        assert (task.name, task.success) == ("by hand", False)
        assert "must be" in task.result

    assert broker.dead_size() == 0
    wait_until(lambda: broker.lock_size() == 0)


def handmade(func, *args, **options):
    """Make a package as another producer may."""
    task_id = uuid.uuid4().hex
    call = {"func": func, "args": args, "kwargs": {}, "started": timezone.now()}
    return {"id": task_id, "name": task_id, **call, **options}


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_package_with_odd_options_ends_and_so_does_a_cluster_that_runs_once(
    broker, running_cluster, tmp_path
):
    trace = tmp_path / "runs"
    options = [
        {},
        {"group": ["a"]},
        {"group": {"a": 1}},
        {"chain": [3]},
        {"chain": [("f", ("x",)), ("f", 1, 2, 3)]},
        {"chain": [("f", 1, 2, 3)]},
        {"schedule": "x"},
        {"name": None},
    ]
    for number, own in enumerate(options):
        task = handmade("tests.tasks.trace", str(trace), number, 0, max_attempts=5, **own)
        broker.enqueue(SignedPackage.dumps(task))

    cluster = running_cluster("--run-once", ready=False, retry=2)
    assert cluster.process.wait(DEADLINE) == 0

    assert set(runs(trace).values()) == {1}
    assert Success.objects.filter(func="tests.tasks.trace").count() == len(runs(trace))
    assert Task.objects.filter(func="tests.tasks.trace").count() == len(options)
    assert broker.lock_size() == broker.queue_size() == 0
