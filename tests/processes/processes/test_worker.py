"""Workers at work: fast tasks behind slow ones, recycling, and what tasks leave running."""

from __future__ import annotations

import pytest

from django_q.tasks import async_task, fetch
from tests.processes.guarantees.traces import all_saved
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


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


def test_the_time_limit_of_the_settings_is_no_option_of_a_task(broker, running_cluster):
    running_cluster(workers=1, timeout=20)
    ids = [
        async_task("tests.tasks.multiply", 6, 7),
        async_task("tests.tasks.multiply", 6, 7, timeout=9),
    ]

    wait_until(lambda: all_saved(ids))

    assert [fetch(each).options for each in ids] == [None, {"timeout": 9}]


@pytest.mark.parametrize("task", ["leave_thread", "leave_thread_and_sleep", "leave_process"])
def test_what_a_task_leaves_running_keeps_no_worker(broker, running_cluster, task):
    cluster = running_cluster(workers=1, recycle=1, timeout=1, daemonize_workers=False)

    async_task(f"tests.tasks.{task}", 300)
    next_one = async_task("tests.tasks.multiply", 6, 7)

    # Looking all the time at who is there, so that what is left ends with the test.
    wait_until(lambda: cluster.processes() and all_saved([next_one]))
    left = "process" if task == "leave_process" else "thread 'Thread-"
    cluster.wait_for(f"worker-1 ends without what was left running in it: {left}")


def test_what_tasks_and_hooks_leave_running_keeps_no_cluster_from_its_stop(broker, running_cluster):
    cluster = running_cluster(workers=1)
    hook = "tests.tasks.leave_thread_in_hook"
    task = async_task("tests.tasks.leave_thread", 300, hook=hook)
    wait_until(lambda: all_saved([task]))

    assert cluster.stop() == 0

    for name in ("worker-1", "monitor"):
        assert f"{name} ends without what was left running in it: thread" in cluster.log()


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
