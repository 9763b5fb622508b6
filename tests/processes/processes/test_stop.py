"""What a person is told who stops a cluster, and what is left of it then."""

from __future__ import annotations

import json
import os
import signal
import time
from io import StringIO

import pytest
from django.core.management import call_command

from django_q.conf import Conf
from django_q.status import Stat
from django_q.tasks import async_task
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def test_the_first_signal_tells_what_it_waits_for_and_the_second_ends_it(running_cluster, broker):
    cluster = running_cluster(workers=1)
    async_task("time.sleep", 600, broker=broker)
    wait_until(lambda: any(stat.running for stat in Stat.get_all(broker)))

    os.kill(cluster.pid, signal.SIGINT)
    cluster.wait_for(
        "waits at most 60 seconds for 1 task that runs; a second Ctrl-C or signal ends it at once"
        ": 'time.sleep' ("
    )
    time.sleep(0.3)  # a signal that follows sooner is one that was sent twice
    os.kill(cluster.pid, signal.SIGINT)

    assert cluster.process.wait(60) == 0
    assert "it stops at once" in cluster.log()


def test_a_cluster_that_was_stopped_is_gone_from_qinfo_at_once(running_cluster, broker):
    cluster = running_cluster(workers=1)
    wait_until(lambda: Stat.get_all(broker))
    (before,) = Stat.get_all(broker)

    os.kill(cluster.pid, signal.SIGTERM)
    assert cluster.process.wait(60) == 0

    out = StringIO()
    call_command("qinfo", "--json", stdout=out)
    assert json.loads(out.getvalue())["clusters"] == []
    assert Stat.get_all(broker) == []
    assert Stat.get(before.pid, before.cluster_id, broker).status == Conf.STOPPED
