"""Clusters at work for brokers that derive from ours and have a dequeue of their own."""

from __future__ import annotations

import pytest

from django_q.conf import Conf
from django_q.models import Success
from django_q.tasks import async_iter, async_task
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.disturbances,
    pytest.mark.django_db(transaction=True),
]

KINDS = [
    *(("orm", "PlainORM"), ("orm", "BareORM")),
    *(("redis", "AnyRedis"), ("redis", "BareRedis"), ("redis", "OddRedis")),
]


@pytest.mark.parametrize(("broker", "name"), KINDS, indirect=["broker"], ids=dict(KINDS).get)
def test_a_cluster_runs_each_task_once_and_stops(broker, name, conf, running_cluster):
    options = {"broker_class": f"tests.subclassed_brokers.{name}", "orm": Conf.ORM}
    conf(broker_class=options["broker_class"])
    cluster = running_cluster(poll=0.05, retry=30, **options)

    for number in range(10):
        async_task("tests.tasks.echo", number)
    async_iter("tests.tasks.echo", range(10), save=True)

    wait_until(lambda: Success.objects.count() == 11, 20)
    cluster.stop()
    assert Success.objects.count() == 11
    assert broker.queue_size() == broker.lock_size() == 0
