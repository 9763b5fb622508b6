"""The page of a cluster: its processes, what they run, and a pause for it alone."""

from __future__ import annotations

import os
import socket

import pytest
from django.contrib.admin.models import LogEntry

from django_q.conf import Conf
from django_q.orders.steering import queue
from tests.heartbeats import CLUSTER_ID, make_stat
from tests.integration.admin.pages import messages, text
from tests.integration.dashboard.visits import log_in, page_url
from tests.integration.unfinished.queued import run

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES = {"sentinel": 4, "pusher": 5, "monitor": 6}


def test_its_processes_and_what_they_run_are_shown(admin_client, make_broker):
    broker = make_broker("memory")
    runs = [run("a" * 32, done=1, total=4)]
    make_stat(status=Conf.WORKING, running=runs, workers=[7, 8], **PROCESSES).save(broker)

    shown = text(admin_client.get(page_url("cluster", CLUSTER_ID)))

    assert "Sentinel 4 - - - - - Pusher 5" in shown
    assert "Worker 7 - four-words shop.send 1 s 1/4 25%" in shown
    assert "Scheduler" not in shown


def test_the_memory_of_processes_of_this_host_is_shown(admin_client, make_broker):
    stat = make_stat(host=socket.gethostname(), workers=[os.getpid()])
    stat.save(make_broker("memory"))

    assert "MiB" in text(admin_client.get(page_url("cluster", CLUSTER_ID)))


def test_a_cluster_of_an_earlier_release_shows_what_it_tells(admin_client, make_broker):
    broker = make_broker("memory")
    make_stat(current=[(7, "four-words", "shop.send", 65.0)], queue="").save(broker)

    shown = text(admin_client.get(page_url("cluster", CLUSTER_ID)))

    assert "Worker 7 - four-words shop.send 1 min 5 s" in shown


def test_a_cluster_is_kept_from_its_queue_and_let_in_again(client, make_broker):
    make_stat().save(make_broker("memory"))
    log_in(client, "view_ormq", "pause_queue")
    address, data = page_url("cluster", CLUSTER_ID), {"queue": "test", "cluster": str(CLUSTER_ID)}

    client.post(address, {"action": "pause_cluster", **data})
    paused, shown = queue("test").control().paused_clusters, text(client.get(address))
    client.post(address, {"action": "resume_cluster", **data})

    assert paused == {str(CLUSTER_ID)}
    assert "Let it take tasks again" in shown
    assert queue("test").control().paused_clusters == frozenset()


def test_a_cluster_is_told_to_stop_by_who_may(client, make_broker):
    broker = make_broker("memory")
    make_stat().save(broker)
    log_in(client, "view_ormq", "stop_clusters")
    address = page_url("cluster", CLUSTER_ID)
    data = {"queue": "test", "cluster": str(CLUSTER_ID), "action": "stop_cluster"}

    shown = text(client.get(address))
    response = client.post(address, data, follow=True)

    assert "Stop the cluster" in shown
    assert "Let it take no more tasks" not in shown
    assert messages(response) == ["The cluster stops when it has ended what it has taken."]
    assert list(broker.notices().values) == [f"cluster:{CLUSTER_ID}"]
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.change_message) == (str(CLUSTER_ID), "Stopped the cluster.")


def test_who_may_pause_a_queue_can_not_stop_a_cluster(client, make_broker):
    broker = make_broker("memory")
    make_stat().save(broker)
    log_in(client, "view_ormq", "pause_queue")
    address, data = page_url("cluster", CLUSTER_ID), {"queue": "test", "cluster": str(CLUSTER_ID)}

    assert "Stop the cluster" not in text(client.get(address))
    assert client.post(address, {"action": "stop_cluster", **data}).status_code == 403
    assert broker.notices().values == {}


def test_a_cluster_that_is_gone_is_not_found(admin_client, make_broker):
    make_broker("memory")

    assert admin_client.get(page_url("cluster", CLUSTER_ID)).status_code == 404
