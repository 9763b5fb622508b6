"""What Redis refuses to a process of the cluster is said once, with its cure."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from redis import exceptions as errors

from django_q.processes.logs.repeated_errors import ThrottledLog
from django_q.processes.pusher import pusher
from django_q.processes.scheduler import log_failure
from django_q.processes.server_calls.worker_leases import WorkerLeases
from django_q.queues import Queue
from django_q.scheduling.due_schedules import DueSchedules
from tests.integration.brokers.redis.keys import key_of
from tests.waiting import wait_until

pytestmark = pytest.mark.once


class Stop(threading.Event):
    """An event that knows how often somebody has paused for it."""

    pauses = 0

    def wait(self, timeout=None):
        self.pauses += 1
        return super().wait(timeout and min(timeout, 0.05))


def test_a_pusher_says_once_what_is_refused_and_when_that_is_over(root, limited, caplog):
    limited.enqueue_many(f"task {n}" for n in range(50))
    root.execute_command("ACL", "SETUSER", "limited", "-zadd", "-hset")
    task_queue, stop = Queue(), Stop()
    caplog.set_level("INFO")
    pushing = threading.Thread(target=pusher, args=(task_queue, stop, limited))
    pushing.start()
    try:
        wait_until(lambda: stop.pauses >= 5)
        waiting = root.llen(key_of("q"))
        root.execute_command("ACL", "SETUSER", "limited", "+@all")
        wait_until(lambda: task_queue.qsize() == 50)
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "+@all")
        stop.set()
        pushing.join(10)

    said = [record.getMessage() for record in caplog.records if "broker" in record.getMessage()]
    assert waiting == 50
    assert said == [
        "can not take tasks from the broker until that is mended: "
        "Redis: this user may not run hset, zadd. Add to its ACL: +hset +zadd",
        "the broker answers again, and tasks are taken",
    ]
    payloads = [payload for _, payload, *_ in task_queue.get_all()]
    assert sorted(payloads) == sorted(f"task {n}".encode() for n in range(50))
    task_queue.close()


def test_a_pusher_puts_back_what_an_earlier_release_has_left(root, limited):
    root.hset(key_of("running"), "17", "lost")
    task_queue, stop = Queue(), Stop()
    stop.set()  # one round

    pusher(task_queue, stop, limited)

    assert [payload for _, payload, *_ in task_queue.get_all()] == [b"lost"]
    task_queue.close()


@pytest.mark.django_db
def test_qinfo_says_what_is_refused(root, limited, conf, server):
    conf(redis=server.url.replace("//", "//limited:pw@"))
    root.execute_command("ACL", "SETUSER", "limited", "-smembers")
    try:
        with pytest.raises(CommandError, match=r"Add to its ACL: \+smembers"):
            call_command("qinfo")
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "+@all")


def test_a_scheduler_says_once_what_is_refused(limited, caplog):
    due_schedules = DueSchedules(limited)
    refused = errors.NoPermissionError("User x has no permissions to run the 'rpush' command")

    failure_log = ThrottledLog("schedules are read again")
    log_failure(failure_log, refused, 0.1, due_schedules)
    log_failure(failure_log, refused, 1, due_schedules)

    assert "+rpush" in caplog.text
    assert caplog.text.count("can not enqueue what is due") == 1


def test_leases_that_may_not_be_extended_are_told_of_once(root, limited, caplog):
    caplog.set_level("INFO")
    limited.enqueue("task")
    (held,) = limited.dequeue(wait=0)
    slots = [
        SimpleNamespace(read=lambda: SimpleNamespace(batch=[(held.ack_id, 1)], since=0, position=0))
    ]
    leases = WorkerLeases(limited, slots)
    root.execute_command("ACL", "SETUSER", "limited", "-zadd")
    leases.extend(1e9)
    leases.extend(1e9)
    root.execute_command("ACL", "SETUSER", "limited", "+@all")
    leases.extend(1e9)

    assert caplog.text.count("leases could not be extended") == 1
    assert caplog.text.count("leases are extended again") == 1


def test_a_schedulers_ear_that_is_refused_is_told_of_once(server, root, limited, conf, caplog):
    conf(redis=server.url.replace("//", "//limited:pw@"))
    root.execute_command("ACL", "SETUSER", "limited", "-subscribe")
    wakeup = limited.scheduler_wakeup()
    for _ in range(2):
        wakeup.next_try = 0.0
        wakeup.listen()
    root.execute_command("ACL", "SETUSER", "limited", "+@all")

    assert caplog.text.count("Add to its ACL: +subscribe") == 1
    wakeup.next_try = 0.0
    wakeup.listen()
    assert wakeup.sources()
    wakeup.close()
