"""How long a cluster waits for a database server that is gone."""

import json
import multiprocessing
import os
import socket
from pathlib import Path

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import OperationalError, connection, connections

from django_q.exceptions import BrokerUnavailable
from django_q.processes.server_calls import call_timeout
from django_q.processes.supervision import process_start
from django_q.servers.connections import (
    CONNECT_SECONDS,
    DEAD_SERVER_SECONDS,
    close_all,
    configure_sentinel_databases,
)
from tests.clusters import run_as

#: The tests' own database, where it is reached over the network; PostgreSQL otherwise.
ON_MYSQL = connection.vendor == "mysql"

pytestmark = [pytest.mark.django_db(transaction=True)] if ON_MYSQL else []


def write_timeouts(alias: str, path: str) -> None:
    """Write down how long this process waits for a server to answer: the body of a process."""
    wrapper = connections[alias]
    wrapper.ensure_connection()
    fileno = wrapper.connection.fileno()
    blocks = os.get_blocking(fileno)
    with socket.socket(fileno=os.dup(fileno)) as line:
        level = socket.IPPROTO_TCP
        timeouts = {
            "connect": wrapper.settings_dict["OPTIONS"].get("connect_timeout"),
            "unacknowledged": line.getsockopt(level, socket.TCP_USER_TIMEOUT),
            "idle": line.getsockopt(level, socket.TCP_KEEPIDLE),
            "blocks": blocks,
        }
    Path(path).write_text(json.dumps(timeouts))
    connections.close_all()


@pytest.fixture
def alias(request: pytest.FixtureRequest) -> str:
    """Name a database that is reached over the network."""
    return connection.alias if ON_MYSQL else request.getfixturevalue("postgres")


@pytest.fixture
def timeouts_of(alias, tmp_path):
    """Start a process of the cluster, each by the one before, and tell how long the last waits."""

    def timeouts_of(*names: str) -> dict:
        path = tmp_path / "-".join(names)
        run_as(names, f"{__name__}.write_timeouts", alias, str(path))
        return json.loads(path.read_text())

    return timeouts_of


@pytest.fixture
def options(alias, monkeypatch):
    """Set options of the database, for processes to come."""

    def options(**values: object) -> None:
        settings = connections.settings[alias]
        monkeypatch.setitem(settings, "OPTIONS", {**settings["OPTIONS"], **values})

    return options


@pytest.fixture(autouse=True)
def forked(conf):
    """Let processes know the databases of this one."""
    if multiprocessing.get_start_method() != "fork":
        conf(start_method="fork")


@pytest.mark.parametrize(
    "name",
    [process_start.SENTINEL, process_start.PUSHER, process_start.MONITOR, process_start.SCHEDULER],
)
def test_a_process_of_the_cluster_gives_up_a_server_that_is_gone(timeouts_of, name):
    found = timeouts_of(name)
    assert found["connect"] <= 10  # the kernel asks again later and later
    assert found["unacknowledged"] == DEAD_SERVER_SECONDS * 1000
    assert found["idle"] < DEAD_SERVER_SECONDS


def test_a_worker_waits_as_long_as_the_project_says(timeouts_of):
    found = timeouts_of(process_start.SENTINEL, "worker-1")
    assert found["connect"] is None
    assert found["unacknowledged"] == 0


def test_the_project_has_the_last_word(alias, options, timeouts_of):
    options(connect_timeout=7, **({} if ON_MYSQL else {"tcp_user_timeout": 90_000}))
    found = timeouts_of(process_start.PUSHER)
    assert found["connect"] == 7
    if not ON_MYSQL:
        assert found["unacknowledged"] == 90_000
        assert found["idle"] > DEAD_SERVER_SECONDS


def sleep_in_database(alias: str) -> None:
    """Ask a server for what takes it a minute: the body of a process that has no such time."""
    configure_sentinel_databases(1)
    function = "SLEEP" if ON_MYSQL else "PG_SLEEP"
    with pytest.raises((BrokerUnavailable, OperationalError)), call_timeout.call_timeout():
        connections[alias].cursor().execute(f"SELECT {function}(60)")
    connections.close_all()


def test_the_sentinel_does_not_wait_for_a_server_that_hangs(alias, monkeypatch):
    monkeypatch.setattr(call_timeout, "CALL_TIMEOUT_SECONDS", 1)
    run_as([process_start.SENTINEL], f"{__name__}.sleep_in_database", alias)


#: Databases that can not be used: for want of a driver, and because no pool keeps connections.
UNUSABLE = {
    "no_driver": {"ENGINE": "missing"},
    "no_pool": {
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": {"pool": True},
        "CONN_MAX_AGE": 60,
    },
}


@pytest.mark.parametrize("other", UNUSABLE)
def test_a_database_that_can_not_be_used_stops_no_process(monkeypatch, timeouts_of, other):
    settings = connections.configure_settings({"default": {}, other: UNUSABLE[other]})
    monkeypatch.setitem(connections.settings, other, settings[other])
    assert timeouts_of(process_start.SENTINEL)["connect"] == CONNECT_SECONDS


def test_a_default_timeout_of_sockets_changes_no_connection(monkeypatch, timeouts_of):
    blocks = timeouts_of(process_start.PUSHER)["blocks"]
    socket.setdefaulttimeout(5)
    try:
        assert timeouts_of(process_start.MONITOR)["blocks"] == blocks
    finally:
        socket.setdefaulttimeout(None)


class ConnectedCache(LocMemCache):
    """A cache that is reached by a connection, as that of Memcached is."""

    is_connected = True

    def close(self, **kwargs: object) -> None:
        """Close the connection."""
        self.is_connected = False


def test_a_process_does_not_share_its_parents_connection_to_a_cache(settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.ConnectedCache"}}
    cache = caches["default"]

    close_all()  # as before each fork

    assert not cache.is_connected
