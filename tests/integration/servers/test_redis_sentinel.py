"""A broker on a deployment of Redis Sentinel."""

from __future__ import annotations

import contextlib

import pytest
import redis

from django_q.brokers import get_broker
from django_q.tasks import async_task
from tests.deployments import SERVICE, Deployment
from tests.waiting import wait_until

pytestmark = pytest.mark.once


@pytest.fixture
def deployment():
    """A master, a replica and a sentinel."""
    deployment = Deployment().start()
    yield deployment
    deployment.stop()


def enqueued(broker):
    """Try to enqueue; whether it was."""
    with contextlib.suppress(redis.RedisError):
        return broker.enqueue("behind")
    return False


@pytest.mark.timeout(300)
@pytest.mark.parametrize("is_url", [True, False])
def test_the_master_is_found_and_found_again_when_another_takes_over(deployment, conf, is_url):
    url = f"sentinel://127.0.0.1:{deployment.sentinel.port}/0?service_name={SERVICE}"
    conf(redis=url if is_url else deployment.options)
    broker = get_broker()
    async_task("math.sqrt", 4, broker=broker)
    (delivery,) = broker.dequeue(wait=1)
    deployment.catch_up()

    old = deployment.master
    old.kill()
    deployment.await_other_than(old)

    wait_until(lambda: enqueued(broker))
    assert broker.acknowledge(delivery.ack_id)
    assert [taken.payload for taken in broker.dequeue(9, wait=1)] == [b"behind"]
    broker.close()


def test_a_connection_that_ends_is_made_anew_to_the_master_of_now(deployment, conf):
    conf(redis=deployment.options)
    broker = get_broker()
    connection = broker.connection.client().connection
    deployment.fail_over("COORDINATED")

    connection.disconnect()
    connection.send_command("ROLE")

    assert connection.read_response()[0] == b"master"
    connection.disconnect()
    broker.close()


def test_sentinels_that_do_not_answer_are_an_error_of_the_driver(conf):
    conf(redis={"sentinels": ["127.0.0.1:1"], "service_name": SERVICE, "retry": None})
    broker = get_broker()

    with pytest.raises(redis.ConnectionError, match="No master found"):
        broker.enqueue("a")
    broker.close()
