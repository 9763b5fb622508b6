"""A process that can not be started is started later."""

from __future__ import annotations

import psutil
import pytest

from django_q.tasks import async_task
from tests.processes.guarantees.traces import all_saved
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


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
