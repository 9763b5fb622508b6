"""A Redis server of the module's own, on which everything may be set."""

from __future__ import annotations

import pytest

from django_q.brokers import get_broker
from tests.servers import RedisServer


@pytest.fixture(scope="package")
def own_server():
    server = RedisServer(appendonly="yes").start()
    yield server
    server.stop()


@pytest.fixture
def root(own_server, conf):
    """A client of that server, which the settings name."""
    conf(redis=own_server.url)
    with own_server.client() as client:
        before = client.config_get("maxmemory*")
        client.flushall()
        yield client
        client.config_set("maxmemory", before["maxmemory"])
        client.config_set("maxmemory-policy", before["maxmemory-policy"])
        client.config_set("appendonly", "yes")


@pytest.fixture
def redis_broker(root):
    """A broker on that server."""
    broker = get_broker()
    yield broker
    broker.close()
