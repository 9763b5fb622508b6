"""Clusters are told to stop by a notice."""

from __future__ import annotations

import pytest

from django_q.status import Stat
from django_q.tasks import async_task, fetch, queue
from tests.waiting import DEADLINE, wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_cluster_stops_when_it_is_told_to_and_ends_what_it_runs(broker, running_cluster):
    cluster = running_cluster(workers=1)
    wait_until(lambda: Stat.get_all(broker))
    (stat,) = Stat.get_all(broker)
    task_id = async_task("tests.tasks.multiply", 6, 7)
    wait_until(lambda: fetch(task_id))

    queue().stop_cluster(stat.cluster_id, by="anna", reason="a test")

    assert cluster.process.wait(DEADLINE) == 0
    assert " stops, as told by anna at " in cluster.log()
    assert fetch(task_id).result == 42
