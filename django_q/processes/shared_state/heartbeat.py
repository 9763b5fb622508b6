"""The heartbeat: what a cluster says about itself, as often as there is news."""

from __future__ import annotations

import time
from typing import Any

from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.exceptions import contain_error
from django_q.processes.call_timeout import call_timeout
from django_q.processes.logs.step_failures import StepFailureLog
from django_q.status import Stat

#: Seconds between heartbeats of an idle cluster. One at work beats every GUARD_CYCLE.
IDLE_HEARTBEAT_INTERVAL = 5.0


class HeartbeatWriter:
    """Saves snapshots of a cluster, for those who look."""

    def __init__(self, broker: Broker, sentinel: Any) -> None:
        self.broker, self.sentinel = broker, sentinel
        self.due = 0.0  # monotonic; when to save the next one
        self._finished = 0  # deliveries finished when the last one was saved
        texts = "the heartbeat could not be saved", "heartbeats are saved again"
        self._failures = StepFailureLog(broker, *texts)

    def beat(self, now: float, finished: int, busy: bool) -> None:
        """Save a snapshot; an idle cluster does so less often."""
        idle = finished == self._finished and not busy
        self._finished = finished
        self.due = now + (
            max(IDLE_HEARTBEAT_INTERVAL, Conf.GUARD_CYCLE) if idle else Conf.GUARD_CYCLE
        )
        try:
            with call_timeout():
                snapshot(self.sentinel).save(self.broker)
            self._failures.success()
        except BaseException as error:  # of a broker that others wrote, too
            contain_error(error)
            self.broker.close()
            self.due = time.monotonic() + IDLE_HEARTBEAT_INTERVAL
            self._failures.log(error, IDLE_HEARTBEAT_INTERVAL)


def snapshot(sentinel: Any) -> Stat:
    """Take a snapshot of a sentinel's cluster."""
    now = time.monotonic()
    return Stat(
        sentinel.parent_pid,
        sentinel.cluster_id,
        name=sentinel.cluster_name,
        queue=Conf.CLUSTER_NAME,
        status=sentinel.status(),
        tob=sentinel.tob,
        reincarnations=sentinel.reincarnations,
        sentinel=sentinel.pid,
        pusher=pid(sentinel.pusher),
        monitor=pid(sentinel.monitor),
        scheduler=pid(sentinel.scheduler),
        workers=[pid(process) for process in sentinel.pool],
        pool_size=sentinel.pool_size,
        task_q_size=sentinel.task_queue.qsize(),
        done_q_size=sentinel.result_queue.qsize(),
        current=[running for child in sentinel.children if (running := child.current(now))],
    )


def pid(process: Any) -> int:
    """The pid of a process; 0 where there is none."""
    return (process.pid or 0) if process else 0
