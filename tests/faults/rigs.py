"""What a run stands on: a queue, a database for results, and what breaks either of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connections

from django_q.brokers.base import Broker
from django_q.brokers.orm import ORM
from django_q.brokers.redis.connections.client import with_defaults
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.servers.connections import connect_redis
from django_q.signing import SignedPackage
from tests import servers
from tests.deployments import Deployment
from tests.faults import mariadb
from tests.faults.clock import Clocked
from tests.faults.network import Network
from tests.faults.proxy import Proxy
from tests.faults.redis_keys import members_left, payloads_in
from tests.settings import from_url, sqlite
from tests.workspace import workspace

#: Name of the clusters' database in the driver's process.
ALIAS = "faults"
#: Where a run keeps its database, in its directory.
FOLDER = "database"
KINDS = ["redis", "sentinel", "sqlite", "postgres"]
if mariadb.is_here():
    KINDS.append("mysql")


def migrate(database: dict) -> None:
    """Make the tables of a database."""
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "django_q", "-v", "0"],
        env={**os.environ, **environment(database)},
        check=True,
    )


def environment(database: dict) -> dict[str, str]:
    """Point a child process at a database."""
    return {
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
        "DJANGO_Q_FAULT_DATABASE": json.dumps(database),
    }


@cache
def sqlite_template() -> Path:
    """Make a SQLite file with empty tables, to be copied."""
    path = Path(tempfile.mkdtemp(dir=workspace()), "template.sqlite3")
    migrate({**sqlite(), "NAME": str(path)})
    with_log = path.with_name(path.name + "-wal")
    assert not with_log.exists(), "the write-ahead log is not part of the copy"
    return path


#: The user of clusters on Redis, who may do anything until a fault has it otherwise.
USER = "cluster"


class ClockedRedis(Clocked, servers.RedisServer):
    """Redis with a clock that can be stepped, and a user for clusters."""

    def command(self) -> list[str]:
        return [*super().command(), "--user", USER, "on", "nopass", "~*", "&*", "+@all"]


class ClockedPostgres(Clocked, servers.PostgresServer):
    """PostgreSQL with a clock that can be stepped."""


class Rig:
    """The servers of a run. This one: the queue and the results in a SQLite file."""

    kind = "sqlite"
    proxy: Proxy | None = None  # before the server of the queue
    server: servers.Server | None = None
    network: Network | None = None  # between the cluster and the proxy
    has_log_reader = False  # whether clusters write into a pipe that may go unread

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.extra: dict[str, str] = {}  # further environment of clusters to come
        self.database = self.make_database()
        connections.settings[ALIAS] = connections.configure_settings(
            {"default": {}, ALIAS: dict(self.database)}
        )[ALIAS]

    @property
    def folder(self) -> Path:
        """Where the database is."""
        return self.directory / FOLDER

    def make_database(self) -> dict:
        """Make an empty database, and give its settings."""
        self.folder.mkdir(exist_ok=True)
        self.file = self.folder / "results.sqlite3"
        shutil.copy(sqlite_template(), self.file)
        settings = {**sqlite(), "NAME": str(self.file)}
        settings["OPTIONS"] = {**settings["OPTIONS"], "timeout": 2}
        return settings

    def broker(self, through_proxy: bool = False) -> Broker:
        """Make the driver's own way to the queue, past the proxy unless told."""
        Conf.ORM = ALIAS
        return ORM("test")

    def options(self) -> dict[str, Any]:
        """Give the options of the clusters."""
        return {"orm": "default"}

    def environment(self) -> dict[str, str]:
        """Give the environment of the clusters."""
        return environment(self.database)

    def prefix(self) -> list[str]:
        """Give what runs a cluster's command where it belongs."""
        return self.network.cluster.command() if self.network else []

    def lay_network(self) -> None:
        """Have clusters to come reach the server by a network that can fail."""
        self.network = Network()
        self.proxy.close()
        self.proxy = Proxy(self.server.port, self.network.server.listen())

    def clients(self) -> int:
        """Count the connections of others to the server of the queue."""
        return 0

    def payloads(self, broker: Broker) -> list[str | bytes]:
        """Read all that is in the queue, taken or not."""
        return list(OrmQ.objects.using(ALIAS).values_list("payload", flat=True))

    def left_in_queue(self) -> list[str]:
        """Say what is kept of tasks though the queue is empty."""
        return []

    def ids_in_queue(self, broker: Broker) -> set[str]:
        """Find the ids of the tasks that are in the queue, taken or not."""
        return {SignedPackage.loads(each)["id"] for each in self.payloads(broker) if each}

    def close(self) -> None:
        """Close the connections, and set the clock back."""
        if clock := getattr(self.server, "clock", None):
            clock.step(0)
        connections[ALIAS].close()
        del connections[ALIAS]  # the next rig has another database
        if self.proxy:
            self.proxy.close()
        if self.network:
            self.network.close()


@cache
def redis_server() -> servers.RedisServer:
    """Start the Redis server that is broken: it writes each command to disk at once."""
    server = ClockedRedis(appendonly="yes", appendfsync="always")
    server.start()
    return server


class RedisRig(Rig):
    """The queue in Redis behind a proxy, results in SQLite."""

    kind = "redis"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.server = redis_server()
        if not self.server.is_running():
            self.server.start()
        with self.server.client() as client:
            client.flushall()
            client.config_set("maxmemory", 0)
        self.proxy = Proxy(self.server.port)

    def broker(self, through_proxy: bool = False) -> Broker:
        Conf.ORM = None
        port = self.proxy.port if through_proxy else self.server.port
        broker = Redis("test")
        options = with_defaults({"url": f"redis://127.0.0.1:{port}/0"})
        broker.connection = connect_redis(options)
        return broker

    def options(self) -> dict[str, Any]:
        return {"redis": f"redis://{USER}:x@{self.proxy.host}:{self.proxy.port}/0"}

    def clients(self) -> int:
        with self.server.client() as client:
            return len(client.client_list()) - 1

    def payloads(self, broker: Broker) -> list[str | bytes]:
        return payloads_in(broker)

    def left_in_queue(self) -> list[str]:
        with self.server.client() as client:
            return members_left(client, "django_q:test:q")


def make_tables(url: str, maintenance: str) -> None:
    """Make the database that a URL names, by way of another on that server, with the tables."""
    database = from_url(url)
    alias = maintenance_of(database)  # one for each server, as a connection is kept by its alias
    connections.settings[alias] = connections.configure_settings(
        {"default": {}, alias: {**database, "NAME": maintenance}}
    )[alias]
    with connections[alias].cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database['NAME']}")
    connections[alias].close()
    migrate(database)


def maintenance_of(database: dict) -> str:
    """Give the alias of the database by way of which others on its server are made."""
    return f"maintenance of port {database['PORT']}"


class SentinelRig(Rig):
    """The queue in a deployment of Redis Sentinel of the run's own, results in SQLite."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.deployment = Deployment().start()

    def broker(self, through_proxy: bool = False) -> Broker:
        Conf.ORM = None
        broker = Redis("test")
        broker.connection = connect_redis(with_defaults(self.deployment.options))
        return broker

    def options(self) -> dict[str, Any]:
        return {"redis": self.deployment.options}

    def clients(self) -> int:
        with self.deployment.master.client() as client:
            found = client.client_list()
        others = [each for each in found if not each["name"].startswith("sentinel-")]
        return sum("S" not in each["flags"] for each in others) - 1

    payloads = RedisRig.payloads

    def close(self) -> None:
        super().close()
        self.deployment.stop()


@cache
def postgres_server() -> servers.PostgresServer:
    """Start the PostgreSQL server that is broken, with the tables in it."""
    server = ClockedPostgres()
    server.start()
    make_tables(server.url, "postgres")
    return server


class PostgresRig(Rig):
    """The queue and the results in PostgreSQL, behind a proxy."""

    kind = "postgres"

    def make_database(self) -> dict:
        self.server = postgres_server()
        if not self.server.is_running():
            self.server.start()
        return from_url(self.server.url)

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        empty(ALIAS)
        self.proxy = Proxy(self.server.port)

    def environment(self) -> dict[str, str]:
        return environment({**self.database, "HOST": self.proxy.host, "PORT": self.proxy.port})

    def clients(self) -> int:
        sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE client_port IS NOT NULL AND pid <> "
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(sql + "pg_backend_pid()")
            return cursor.fetchone()[0]


@cache
def mariadb_server() -> mariadb.MariaDbServer:
    """Start the MariaDB server that is broken, with the tables in it."""
    server = mariadb.MariaDbServer()
    server.start()
    make_tables(server.url, "mysql")
    return server


class MysqlRig(PostgresRig):
    """The queue and the results in MariaDB, behind a proxy."""

    kind = "mysql"

    def make_database(self) -> dict:
        self.server = mariadb_server()
        if not self.server.is_running():
            self.server.start()
        return from_url(self.server.url)

    def clients(self) -> int:
        return len(self.others())

    def others(self) -> list[int]:
        """List the numbers of others' connections."""
        sql = "SELECT id FROM information_schema.processlist WHERE user = 'root' AND id <> "
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(sql + "CONNECTION_ID()")
            return [row[0] for row in cursor.fetchall()]


def empty(alias: str) -> None:
    """Empty the tables."""
    with connections[alias].cursor() as cursor:
        for table in ("task", "ormq", "schedule", "heartbeat", "taskkey"):
            cursor.execute(f"DELETE FROM django_q_{table}")


RIGS = {
    "redis": RedisRig,
    "sentinel": SentinelRig,
    "sqlite": Rig,
    "postgres": PostgresRig,
    "mysql": MysqlRig,
}


def make_rig(kind: str, directory: Path) -> Rig:
    """Make the rig of a kind, with nothing in it."""
    return RIGS[kind](directory)
