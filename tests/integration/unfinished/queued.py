"""Put tasks into queues, and into heartbeats, for tests of what is unfinished."""

from __future__ import annotations

import time
from typing import Any

from django_q.brokers import Broker
from django_q.brokers.terms import Terms
from django_q.conf import Conf
from django_q.signing import SignedPackage
from django_q.wire.package import new_package
from tests.heartbeats import make_stat

#: The names of queues beside that of the settings.
OTHER_QUEUES = ("mail", "lost")


def payload_of(task_id: str, *args: Any, **options: Any) -> str:
    """Make the payload of a task."""
    return SignedPackage.dumps(new_package("shop.send", args, {}, options, task_id))


def put(broker: Broker, task_id: str, **terms: Any) -> None:
    """Enqueue a task that can be found by its id."""
    broker.enqueue_task(payload_of(task_id), Terms(task_id, **terms))


def run(task_id: str, **values: Any) -> dict[str, Any]:
    """Describe a task that runs, as a heartbeat does."""
    known = {"pid": 7, "name": "four-words", "func": "shop.send", "group": "", "attempt": 1}
    return {**known, "id": task_id, "since": time.time(), "seconds": 1.5, **values}


def beat(broker: Broker, *task_ids: str, **values: Any) -> None:
    """Save the heartbeat of a cluster that runs these tasks."""
    runs = [run(task_id) for task_id in task_ids]
    make_stat(status=Conf.WORKING, **{"running": runs, **values}).save(broker)
