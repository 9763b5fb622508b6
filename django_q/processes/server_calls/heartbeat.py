"""Save the heartbeat of a cluster: a snapshot of its state, less often while it is idle."""

from __future__ import annotations

import time
from typing import Any

from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.exceptions import contain_error
from django_q.processes.logs.step_failures import StepFailureLog
from django_q.processes.server_calls.call_timeout import call_timeout
from django_q.status import Stat

#: Seconds between heartbeats of an idle cluster. A busy one saves them every ``guard_cycle``.
IDLE_HEARTBEAT_INTERVAL = 5.0


class HeartbeatWriter:
    """Saves snapshots of a cluster, for the admin, the screens and ``Stat``."""

    def __init__(self, broker: Broker, sentinel: Any) -> None:
        self.broker, self.sentinel = broker, sentinel
        self.due = 0.0  # monotonic; when to save the next one
        self._finished = 0  # deliveries finished when the last snapshot was saved
        texts = "the heartbeat could not be saved", "heartbeats are saved again"
        self._failures = StepFailureLog(broker, *texts)

    @property
    def is_idle(self) -> bool:
        """Whether the next is later than a busy cluster saves them."""
        return self.due > time.monotonic() + Conf.GUARD_CYCLE

    def beat(self, now: float, finished: int, busy: bool) -> None:
        """Save a snapshot, and set when the next is due: later if the cluster is idle."""
        idle = finished == self._finished and not busy
        self._finished = finished
        self.due = now + (
            max(IDLE_HEARTBEAT_INTERVAL, Conf.GUARD_CYCLE) if idle else Conf.GUARD_CYCLE
        )
        try:
            with call_timeout():
                snapshot(self.sentinel).save(self.broker)
            self._failures.success()
        except BaseException as error:  # a custom broker may raise anything
            contain_error(error)
            self.broker.close()
            self.due = time.monotonic() + IDLE_HEARTBEAT_INTERVAL
            self._failures.log(error, IDLE_HEARTBEAT_INTERVAL)


def snapshot(sentinel: Any) -> Stat:
    """Take a snapshot of the cluster of a sentinel."""
    now = time.monotonic()
    running = [task for child in sentinel.children if (task := child.running(now))]
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
        finished=sentinel.slots.finished,
        failed=sentinel.slots.failed,
        current=[(task["pid"], task["name"], task["func"], task["seconds"]) for task in running],
        running=running,
    )


def pid(process: Any) -> int:
    """Return the pid of a process; 0 if there is none."""
    return (process.pid or 0) if process else 0
