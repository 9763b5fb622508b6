"""What the project is chosen for: nothing accepted is lost, whatever is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from django.utils import timezone

from django_q.models import Failure, Success, Task
from django_q.signing import SignedPackage
from django_q.tasks import async_batch, async_task, fetch, result
from tests.clusters import RunningCluster, is_alive
from tests.outages import read_only, saved, unmigrated
from tests.servers import DEADLINE, PostgresServer, RedisServer, comes, wait_until
from tests.tasks import Deadly, Endless

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

EITHER_BROKER = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
ROLES = ["worker-1", "pusher", "monitor", "sentinel"]


def runs(path: Path) -> Counter:
    """Count how often each task ran, from the trace each run leaves."""
    return Counter(path.read_text().split()) if path.exists() else Counter()


def enqueue_traces(path: Path, count: int, seconds: float, first: int = 0) -> list[str]:
    """Enqueue tasks that leave their number in a file and take a while."""
    return [
        async_task("tests.tasks.trace", str(path), number, seconds)
        for number in range(first, first + count)
    ]


def insist_on_stop(cluster: RunningCluster) -> None:
    """Signal a cluster again and again until it has ended, in good order."""
    cluster.terminate()
    cluster.wait_for("stopping after SIGTERM")
    is_over = cluster.process.poll
    wait_until(lambda: is_over() is not None or cluster.terminate(), interval=0.3)
    assert is_over() == 0


def all_saved(ids: list[str]) -> bool:
    """Whether each task has ended well."""
    return Success.objects.filter(id__in=ids).count() == len(ids)


@EITHER_BROKER
@pytest.mark.parametrize("role", ROLES)
def test_a_killed_process_loses_nothing(broker, running_cluster, tmp_path, role):
    cluster = running_cluster(retry=2)
    trace = tmp_path / "runs"
    ids = enqueue_traces(trace, 150, 0.01)

    wait_until(lambda: len(runs(trace)) > 30)
    cluster.kill(role)

    wait_until(lambda: all_saved(ids))
    assert len(runs(trace)) == 150
    # No more than what two workers and the pusher had in hand.
    assert sum(count - 1 for count in runs(trace).values()) <= 20
    wait_until(lambda: broker.queue_size() == broker.lock_size() == 0)


@EITHER_BROKER
def test_a_killed_tree_loses_nothing(broker, running_cluster, tmp_path):
    cluster = running_cluster(retry=2)
    trace = tmp_path / "runs"
    ids = enqueue_traces(trace, 150, 0.01)

    wait_until(lambda: len(runs(trace)) > 30)
    cluster.kill_all()
    running_cluster(retry=2)

    wait_until(lambda: all_saved(ids))
    assert sum(count - 1 for count in runs(trace).values()) <= 20


def test_a_killed_redis_with_its_file_on_loses_nothing(conf, running_cluster, tmp_path):
    server = RedisServer(appendonly="yes", appendfsync="always").start()
    conf(redis=server.url)
    cluster = running_cluster(retry=2, redis=server.url)
    trace = tmp_path / "runs"
    ids = enqueue_traces(trace, 150, 0.01)

    wait_until(lambda: len(runs(trace)) > 30)
    server.kill()
    server.start()

    wait_until(lambda: all_saved(ids))
    assert len(runs(trace)) == 150
    cluster.end()
    server.stop()


@EITHER_BROKER
def test_a_task_longer_than_retry_runs_once_while_its_cluster_lives(
    broker, running_cluster, tmp_path
):
    running_cluster(retry=2)
    running_cluster(retry=2)
    trace = tmp_path / "runs"

    (task_id,) = enqueue_traces(trace, 1, 8)

    wait_until(lambda: all_saved([task_id]))
    assert runs(trace) == {"0": 1}
    assert fetch(task_id).attempt_count == 1


def enqueue_behind_fast_ones(path: Path, *seconds: float) -> None:
    """Enqueue tasks behind so many fast ones that a cluster holds all of them at once."""
    slow = [("tests.tasks.trace", (str(path), number, each)) for number, each in enumerate(seconds)]
    async_batch([("tests.tasks.nothing",)] * 2000 + slow)


@EITHER_BROKER
def test_what_waits_behind_a_slow_task_goes_to_another_cluster(broker, running_cluster, tmp_path):
    busy = running_cluster(workers=1)
    trace = tmp_path / "runs"
    enqueue_behind_fast_ones(trace, 300, *[0] * 20)
    wait_until(lambda: runs(trace))

    running_cluster(workers=1)

    wait_until(lambda: len(runs(trace)) == 21)
    wait_until(lambda: Task.objects.filter(func="tests.tasks.trace").count() == 20)
    assert set(runs(trace).values()) == {1}
    assert {task.attempt_count for task in Task.objects.all()} == {1}
    busy.kill_all()


def test_a_task_that_waited_for_most_of_its_lease_runs_once(broker, running_cluster, tmp_path):
    cluster = running_cluster(workers=1, retry=4)
    trace = tmp_path / "runs"
    enqueue_behind_fast_ones(trace, 3.2, 4)
    wait_until(lambda: runs(trace))
    cluster.kill("pusher", signal.SIGSTOP)  # so that nothing is handed back
    running_cluster(workers=1, retry=4)

    wait_until(lambda: Task.objects.filter(func="tests.tasks.trace").count() == 2)

    assert runs(trace) == {"0": 1, "1": 1}
    cluster.kill_all()


@EITHER_BROKER
def test_a_stop_finishes_what_runs_and_hands_back_the_rest(broker, running_cluster, tmp_path):
    cluster = running_cluster(retry=60)
    trace = tmp_path / "runs"
    ids = enqueue_traces(trace, 10, 2)
    wait_until(lambda: len(runs(trace)) >= 2)

    assert cluster.stop() == 0

    assert cluster.leftovers() == []
    done = Success.objects.filter(id__in=ids).count()
    assert done == len(runs(trace))
    assert 2 <= done < 10
    assert broker.queue_size() == 10 - done  # at once, not when their leases end
    assert broker.lock_size() == 0


def test_a_second_signal_ends_running_tasks_and_hands_them_back(broker, running_cluster, tmp_path):
    cluster = running_cluster(retry=60)
    trace = tmp_path / "runs"
    enqueue_traces(trace, 2, 300)
    wait_until(lambda: len(runs(trace)) == 2)

    insist_on_stop(cluster)

    assert broker.queue_size() == 2
    assert Task.objects.count() == 0


def test_stop_timeout_ends_running_tasks_and_hands_them_back(broker, running_cluster, tmp_path):
    cluster = running_cluster(retry=60, stop_timeout=1)
    trace = tmp_path / "runs"
    enqueue_traces(trace, 1, 300)
    wait_until(lambda: len(runs(trace)) == 1)

    assert cluster.stop() == 0

    assert broker.queue_size() == 1


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_is_a_stop_in_good_order(
    broker, running_cluster, number, method
):
    cluster = running_cluster(start_method=method)
    task_id = async_task("tests.tasks.sleep_for", 1)
    cluster.wait_for("ready for work", 2)
    wait_until(lambda: broker.lock_size() == 1 or fetch(task_id))

    for process in cluster.processes():
        with suppress(psutil.NoSuchProcess):  # it heard of it from another already
            process.send_signal(number)

    assert cluster.process.wait(DEADLINE) == 0
    assert fetch(task_id).success
    assert "reincarnated" not in cluster.log()


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_signal_to_the_whole_group_while_it_starts_is_a_stop(broker, running_cluster, method):
    cluster = running_cluster(start_method=method)
    cluster.wait_for("monitoring at")  # the others are on their way

    for process in cluster.processes():
        with suppress(psutil.NoSuchProcess):
            process.terminate()

    assert cluster.process.wait(DEADLINE) == 0
    assert "reincarnated" not in cluster.log()


def test_a_signal_that_the_sentinel_hears_of_first_is_one_stop(broker, running_cluster):
    cluster = running_cluster()
    task_id = async_task("tests.tasks.sleep_for", 1)
    cluster.wait_for("ready for work", 2)
    wait_until(lambda: broker.lock_size() == 1 or fetch(task_id))

    cluster.kill("sentinel", signal.SIGTERM)
    cluster.wait_for("stopping cluster processes")
    cluster.terminate()

    assert cluster.process.wait(DEADLINE) == 0
    assert "again" not in cluster.log()
    assert fetch(task_id).success


def test_a_signal_when_a_cluster_has_stopped_already_is_no_failure(running_cluster):
    cluster = running_cluster()
    cluster.terminate()

    wait_until(lambda: cluster.process.poll() is not None or cluster.terminate(), interval=0.001)

    assert cluster.process.poll() == 0
    assert "has stopped" in cluster.log()


def test_a_database_that_hangs_keeps_no_cluster_from_its_stop(broker, running_cluster, monkeypatch):
    server = PostgresServer().start()
    try:
        monkeypatch.setenv("DJANGO_Q_TEST_DATABASE", "postgres")
        monkeypatch.setenv("DJANGO_Q_TEST_DATABASE_URL", server.url_of("postgres"))
        monkeypatch.setenv("DJANGO_Q_TEST_ORM", "default")
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.settings")
        subprocess.run([sys.executable, "-m", "django", "migrate", "--verbosity=0"], check=True)
        cluster = running_cluster(stop_timeout=1)
        cluster.processes()

        with server.frozen():
            cluster.wait_for("the heartbeat could not be saved")
            cluster.kill("worker")
            cluster.wait_for("ready for work", 3)
            cluster.processes()
            insist_on_stop(cluster)
        assert cluster.leftovers() == []
    finally:
        server.stop()


def test_a_monitor_that_is_frozen_keeps_no_cluster_from_its_stop(broker, running_cluster, tmp_path):
    cluster = running_cluster(stop_timeout=1, retry=60)
    trace = tmp_path / "runs"
    cluster.kill("monitor", signal.SIGSTOP)
    for number in range(300):  # more than its queue takes
        async_task("tests.tasks.trace_at_length", str(trace), number, 50_000)
    wait_until(lambda: len(runs(trace)) > 20)

    assert cluster.stop() == 0

    # Replaced before the stop, or killed in it: both say why.
    assert re.search("monitor .*after standing still", cluster.log())
    assert broker.queue_size() + broker.lock_size() + Success.objects.count() == 300


def test_a_timed_out_task_is_recorded_as_failed(broker, running_cluster):
    cluster = running_cluster()
    task_id = async_task("tests.tasks.sleep_for", 300, timeout=1)

    task = fetch(task_id, wait=60_000)

    assert not task.success
    assert task.result.startswith("TimeoutException('Task exceeded its time limit')")
    cluster.wait_for("after timeout")


def test_a_task_that_ignores_its_time_limit_is_killed_and_recorded(broker, running_cluster):
    running_cluster()
    task_id = async_task("tests.tasks.sleep_deaf", 300, timeout=0.5)

    task = fetch(task_id, wait=60_000)

    assert not task.success
    assert "exceeded its time limit and its worker was killed" in task.result
    wait_until(lambda: broker.lock_size() == 0)


def test_a_task_that_kills_its_worker_ends_after_three_attempts(broker, running_cluster, tmp_path):
    cluster = running_cluster(retry=60)
    task_id = async_task("tests.tasks.kill_self")

    wait_until(lambda: (task := fetch(task_id)) and task.attempt_count == 3)

    assert "SIGKILL" in fetch(task_id).result
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
    assert cluster.log().count("reincarnated") == 3
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
    assert broker.lock_size() == 0
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


def test_a_cluster_starts_before_its_redis(conf, running_cluster):
    server = RedisServer()
    conf(redis=server.url)
    cluster = running_cluster(ready=False, redis=server.url)
    cluster.wait_for("can not take tasks from the broker")

    server.start()

    task_id = async_task("tests.tasks.multiply", 2, 3)
    assert fetch(task_id, wait=60_000).result == 6
    cluster.end()
    server.stop()


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_cluster_works_under_each_start_method(broker, running_cluster, method):
    cluster = running_cluster(start_method=method)

    ids = [async_task("tests.tasks.multiply", n, 2) for n in range(20)]
    wait_until(lambda: all_saved(ids))

    assert cluster.stop() == 0
    wait_until(lambda: cluster.leftovers() == [])  # Python's own helpers end after it


def test_a_cluster_works_on_the_sockets_of_macos(broker, running_cluster, monkeypatch):
    monkeypatch.setenv("DJANGO_Q_TEST_SOCKETS", "datagrams")
    cluster = running_cluster(start_method="spawn").wait_ready()

    cluster.kill("worker")
    cluster.wait_for("reincarnated worker")
    ids = [async_task("tests.tasks.count_letters", "x" * 30_000 * n) for n in range(50)]

    wait_until(lambda: all_saved(ids))
    assert [result(id) for id in ids] == [30_000 * n for n in range(50)]
    assert cluster.stop() == 0


def test_a_fork_server_that_is_killed_leaves_no_second_worker(broker, running_cluster):
    cluster = running_cluster(start_method="forkserver")
    old = cluster.pids("worker")
    (server,) = {psutil.Process(pid).ppid() for pid in old}

    os.kill(server, signal.SIGKILL)

    cluster.wait_for("ready for work", 4)
    wait_until(lambda: not any(map(psutil.pid_exists, old)))
    assert fetch(async_task("tests.tasks.multiply", 2, 3), wait=60_000).result == 6


def test_a_slow_task_does_not_delay_fast_ones_behind_it(broker, running_cluster):
    running_cluster(save_limit=0, stop_timeout=1)
    fast = [async_task("tests.tasks.multiply", n, 2) for n in range(300)]
    slow = async_task("tests.tasks.sleep_for", 300)
    fast += [async_task("tests.tasks.multiply", n, 2) for n in range(300)]

    wait_until(lambda: all_saved(fast))

    assert fetch(slow) is None


def test_a_worker_is_recycled_after_its_share(broker, running_cluster):
    cluster = running_cluster(workers=1, recycle=5)

    ids = [async_task("tests.tasks.multiply", n, 2) for n in range(20)]

    wait_until(lambda: all_saved(ids))
    cluster.wait_for("recycled worker-1", 4)


@pytest.mark.parametrize("task", ["leave_thread", "leave_thread_and_sleep", "leave_process"])
def test_what_a_task_leaves_running_keeps_no_worker(broker, running_cluster, task):
    cluster = running_cluster(workers=1, recycle=1, timeout=1, daemonize_workers=False)

    async_task(f"tests.tasks.{task}", 300)
    next_one = async_task("tests.tasks.multiply", 6, 7)

    # Looking all the time at who is there, so that what is left ends with the test.
    wait_until(lambda: cluster.processes() and all_saved([next_one]))
    left = "process" if task == "leave_process" else "thread 'Thread-"
    assert f"worker-1 ends without what was left running in it: {left}" in cluster.log()


def test_what_tasks_and_hooks_leave_running_keeps_no_cluster_from_its_stop(broker, running_cluster):
    cluster = running_cluster(workers=1)
    hook = "tests.tasks.leave_thread_in_hook"
    task = async_task("tests.tasks.leave_thread", 300, hook=hook)
    wait_until(lambda: all_saved([task]))

    assert cluster.stop() == 0

    for name in ("worker-1", "monitor"):
        assert f"{name} ends without what was left running in it: thread" in cluster.log()


def test_a_process_that_can_not_be_started_is_started_later(broker, running_cluster):
    cluster = running_cluster(workers=1)
    sentinel = psutil.Process(cluster.pids("sentinel")[0])
    _, most = sentinel.rlimit(psutil.RLIMIT_NOFILE)
    sentinel.rlimit(psutil.RLIMIT_NOFILE, (sentinel.num_fds(), most))

    cluster.kill("worker")
    cluster.wait_for("worker-1 can not be started", 2)
    sentinel.rlimit(psutil.RLIMIT_NOFILE, (most, most))

    task = async_task("tests.tasks.multiply", 6, 7)
    wait_until(lambda: all_saved([task]))
    assert cluster.pids("sentinel") == [sentinel.pid]


def test_a_sentinel_that_fails_is_replaced(broker, running_cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("DJANGO_Q_TEST_FAILS", "1")
    # The lease of the task that goes on in the old worker outlasts the test: the new one is free.
    cluster = running_cluster(workers=1, retry=300)
    async_task("tests.tasks.touch_and_sleep", str(tmp_path / "begun"), 300)
    wait_until((tmp_path / "begun").exists)
    pusher = psutil.Process(*cluster.pids("pusher"))

    cluster.processes()  # so that the worker, which goes on, ends with the test
    cluster.kill("sentinel", signal.SIGUSR1)
    cluster.wait_for("the sentinel ended with code 1")
    wait_until(lambda: not is_alive(pusher))  # or it takes the next task, and nobody runs it

    task = async_task("tests.tasks.multiply", 6, 7)
    wait_until(lambda: all_saved([task]))


def test_a_package_by_rpush_alone_is_executed(broker, running_cluster):
    from django.core import signing
    from django.utils import timezone

    from django_q.signing import PickleSerializer

    running_cluster()
    ids = []
    # As Django Q 0.3.5 and django-q2 make them.
    for salt, protocol in (("django_q.q", 2), ("test", 5)):
        task_id = str(len(ids)) * 32
        package = {
            "id": task_id,
            "name": f"by-hand-{protocol}",
            "func": "math.copysign",
            "hook": None,
            "args": (2, -2),
            "kwargs": {},
            "started": timezone.now(),
        }

        class Serializer(PickleSerializer):
            @staticmethod
            def dumps(obj, protocol=protocol):
                return PickleSerializer.dumps(obj, protocol)

        payload = signing.dumps(package, salt=salt, serializer=Serializer)
        broker.connection.rpush("django_q:test:q", payload)
        ids.append(task_id)

    wait_until(lambda: all_saved(ids))
    assert fetch(ids[0]).result == -2.0


OUTAGES = pytest.mark.parametrize("outage", [read_only, unmigrated])


@OUTAGES
@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_results_wait_for_a_database_that_takes_none_and_each_task_runs_once(
    request, on_postgres, make_broker, monkeypatch, tmp_path, outage, kind
):
    broker = make_broker(kind)
    if kind == "postgres":
        monkeypatch.setenv("DJANGO_Q_TEST_ORM", "default")
    cluster = RunningCluster(retry=2, save_limit=0)
    request.addfinalizer(cluster.end)
    cluster.wait_ready()
    trace = tmp_path / "runs"
    enqueue_traces(trace, 20, 0.01)
    wait_until(lambda: saved(on_postgres) == 20, timeout=30)
    lines = len(cluster.log().splitlines())

    began = [async_task("tests.tasks.trace", str(trace), 100 + n, 1.0) for n in range(2)]
    wait_until(lambda: len(runs(trace)) == 22, timeout=30)
    with outage(on_postgres):
        cluster.wait_for("results wait to be saved", timeout=30)
        if not (kind == "postgres" and outage is read_only):
            enqueue_traces(trace, 10, 0.01, first=200)
        held_up = len(runs(trace))
        comes(lambda: len(runs(trace)) > held_up + 2, 8)
        assert len(runs(trace)) <= held_up + 2  # nothing more is taken
        assert set(runs(trace).values()) == {1}
        complaints = cluster.log().splitlines()[lines:]
    if kind == "postgres" and outage is read_only:
        enqueue_traces(trace, 10, 0.01, first=200)

    wait_until(lambda: saved(on_postgres) == 32, timeout=60)
    assert set(runs(trace).values()) == {1}
    assert Success.objects.using(on_postgres).filter(id__in=began).count() == 2
    assert Task.objects.using(on_postgres).filter(success=False).count() == 0
    wait_until(lambda: broker.lock_size() == broker.queue_size() == 0, timeout=20)
    errors = [line for line in complaints if "ERROR" in line or "WARNING" in line]
    assert len(errors) < 20, "\n".join(errors)
    cluster.wait_for("results are saved again")


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
