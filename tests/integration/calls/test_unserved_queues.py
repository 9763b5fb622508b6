"""What a process is told that enqueues tasks, or waits for them, while no cluster runs."""

from __future__ import annotations

import logging
import math

import pytest
import redis
from asgiref.sync import async_to_sync
from django.db import transaction

from django_q.brokers.memory import Memory
from django_q.conf import Conf
from django_q.exceptions import BrokerUnavailable
from django_q.status import Stat, UnservedQueueWarning
from django_q.tasks import afetch, aresult, async_task, fetch, result
from tests.ports import free_port
from tests.tasks import multiply

pytestmark = pytest.mark.django_db(transaction=True)

WARNING = "no cluster is alive, so tasks wait: start one with manage.py qcluster"


@pytest.fixture(autouse=True)
def new_process(monkeypatch):
    """Have nothing been enqueued, and nothing been said."""
    monkeypatch.setattr(UnservedQueueWarning, "is_first_call", True)
    monkeypatch.setattr(UnservedQueueWarning, "last_at", -math.inf)


@pytest.fixture
def warnings(caplog):
    """Give the texts of all warnings so far."""
    caplog.set_level(logging.WARNING, "django-q")
    return lambda: [record.getMessage() for record in caplog.records]


def save_heartbeat(broker, queue):
    """Have a cluster be alive."""
    Stat(pid=1, cluster_id="1", queue=queue, status=Conf.IDLE).save(broker)


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_who_enqueues_is_told_once_while_developing(broker, settings, warnings):
    settings.DEBUG = True

    for _ in range(2):
        async_task(multiply, 2, 3)

    assert warnings() == [
        "no cluster is alive that serves the queue 'test', so tasks wait: start one with "
        "manage.py qcluster"
    ]


def test_who_enqueues_in_production_is_told_nothing(broker, warnings):
    async_task(multiply, 2, 3)

    assert warnings() == []


@pytest.mark.parametrize("queue", ["test", ""])
def test_nothing_is_said_while_a_cluster_runs(broker, settings, warnings, queue):
    settings.DEBUG = True
    save_heartbeat(broker, queue)

    task_id = async_task(multiply, 2, 3)
    assert result(task_id, wait=1) is None

    assert warnings() == []


def test_a_cluster_of_another_queue_does_not_serve_this_one(broker, settings, warnings):
    settings.DEBUG = True
    save_heartbeat(broker, "mail")

    async_task(multiply, 2, 3)

    assert len(warnings()) == 1


@pytest.mark.parametrize("ask", [result, fetch, async_to_sync(aresult), async_to_sync(afetch)])
def test_who_waits_in_vain_is_told_at_most_once_a_minute(broker, warnings, ask):
    for _ in range(2):
        assert ask("0" * 32, wait=1) is None

    assert warnings() == [WARNING]


def test_who_does_not_wait_is_told_nothing(broker, warnings):
    assert result("0" * 32) is None

    assert warnings() == []


def test_a_queue_in_memory_has_no_cluster(conf, warnings):
    conf(broker_class=f"{Memory.__module__}.Memory")

    assert result("0" * 32, wait=1) is None

    assert warnings() == []


def test_a_broker_that_does_not_answer_ends_no_wait(conf, warnings):
    conf(redis={"port": free_port()})

    assert result("0" * 32, wait=1) is None

    assert warnings() == []


def test_the_error_of_a_redis_server_that_is_away_names_the_setting(conf, settings):
    port = free_port()
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "redis": {"port": port}}
    expected = r"Does the server run that Q_CLUSTER\['redis'\] names, localhost:\d+\?"

    with pytest.raises(BrokerUnavailable, match=expected) as raised:
        async_task(multiply, 2, 3)
    assert isinstance(raised.value, redis.ConnectionError)
    with pytest.raises(BrokerUnavailable, match=expected), transaction.atomic():
        async_task(multiply, 2, 3)
    with pytest.raises(BrokerUnavailable, match=expected), transaction.atomic():
        async_task(multiply, 2, 3, q_options={"priority": 3})
