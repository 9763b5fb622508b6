"""Connect to the server of a Redis Cluster that has the keys of one queue.

All keys of a queue have one hash tag, so they are in one slot, and the client of a queue is one of
a single server: it pushes once, waits, and is woken, as everywhere. Its connections ask the cluster
for that server whenever they are opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import redis
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError
from redis.retry import Retry

from django_q.servers.redis_sentinel import read_address

DEFAULT_PORT = 6379
EXPECTED_NODES_TEXT = (
    "expected {'cluster': True, 'startup_nodes': [('host', 6379), ...]}, or 'host' and 'port', or "
    "'url', of one server of the cluster"
)

Address = tuple[str, int]


def is_cluster(options: Any) -> bool:
    """Return True if the options of a client ask for Redis Cluster."""
    return isinstance(options, Mapping) and bool(options.get("cluster"))


class ClusterNodes:
    """The servers of a cluster, each of which knows which one has which slot."""

    def __init__(self, connection_class: type, options: dict, addresses: list[Address]) -> None:
        self.connection_class = connection_class
        self.options = options  # of a connection
        self.startup_addresses = addresses
        self.addresses = addresses  # those that replied last first, and then those of the settings
        self.clients: dict[int, redis.Redis] = {}  # by slot

    def owner(self, slot: int) -> Address:
        """Ask which server has a slot. Raises ``redis.ConnectionError`` if none can tell."""
        for first, last, address in self.slot_ranges():
            if first <= slot <= last:
                return address
        raise redis.ConnectionError(f"No server of the Redis Cluster has slot {slot}.")

    def slot_ranges(self) -> list[tuple[int, int, Address]]:
        """Ask one server after the other for the slots of each: first and last, and its address."""
        causes = []
        for host, port in list(self.addresses):
            try:
                found = self.ask(host, port)
            except (RedisError, OSError) as error:
                causes.append(f"{host}:{port}: {error}")
                continue
            if found:
                servers = [address for _, _, address in found]
                self.addresses = list(dict.fromkeys([*servers, *self.startup_addresses]))
                return found
        raise redis.ConnectionError("No server of the Redis Cluster answers. " + " ".join(causes))

    def ask(self, host: str, port: int) -> list[tuple[int, int, Address]]:
        """Ask one server."""
        retry = Retry(NoBackoff(), 0)
        options = {**self.options, "host": host, "port": port, "retry": retry}
        connection = self.connection_class(**options)
        try:
            connection.send_command("CLUSTER", "SLOTS")
            reply = connection.read_response(disable_decoding=True)
        finally:
            connection.disconnect()
        # A server that does not know its own name gives none: it is the one that was asked.
        return [
            (first, last, ((master[0] or b"").decode().strip("?") or host, master[1]))
            for first, last, master, *_ in reply
        ]

    def client(self, slot: int) -> redis.Redis:
        """Give the client for the keys of a slot."""
        if slot not in self.clients:
            kind = SSLSlotConnection if self.is_encrypted else SlotConnection
            options = {**self.options, "nodes": self, "slot": slot}
            self.clients[slot] = pooled_client(kind, options)
        return self.clients[slot]

    @property
    def is_encrypted(self) -> bool:
        """Whether connections use TLS."""
        return issubclass(self.connection_class, SSLConnection)

    def server_clients(self) -> Iterator[redis.Redis]:
        """Give a client for each server that has keys."""
        for host, port in dict.fromkeys(address for _, _, address in self.slot_ranges()):
            options = {**self.options, "host": host, "port": port}
            with pooled_client(self.connection_class, options) as client:
                yield client


class SlotReconnect:
    """Asks for the server of a slot whenever a connection is opened.

    A server that has not run a command, as it has the slot no more, counts as one whose connection
    has failed: the command is sent again, to the server that has it now.
    """

    def __init__(self, *, nodes: ClusterNodes, slot: int, **options: Any) -> None:
        self.nodes, self.slot = nodes, slot
        super().__init__(**options)

    def _connect(self) -> Any:
        self.host, self.port = self.nodes.owner(self.slot)
        return super()._connect()

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read a reply. Raises ``redis.ConnectionError`` in place of that to ask elsewhere."""
        try:
            return super().read_response(*args, **options)
        except (AskError, MovedError, ClusterDownError) as error:
            self.disconnect()
            raise redis.ConnectionError(f"Another server has these keys now: {error}") from error


class SlotConnection(SlotReconnect, Connection):
    """A connection to the server of a slot."""


class SSLSlotConnection(SlotReconnect, SSLConnection):
    """An encrypted connection to the server of a slot."""


def connect_to_slot(options: Mapping[str, Any], key: str) -> redis.Redis:
    """Make a client for the keys that are in the slot of ``key``.

    Raises ``ImproperlyConfigured`` for options that describe no cluster.
    """
    options = {name: value for name, value in options.items() if name != "cluster"}
    nodes = options.pop("startup_nodes", None)
    url = options.pop("url", None)
    if nodes is not None and (not isinstance(nodes, (list, tuple)) or not nodes):
        raise invalid_options_error("startup_nodes that are no list, or an empty one")
    try:
        template = redis.Redis.from_url(url, **options) if url else redis.Redis(**options)
    except ValueError:  # whose text quotes a part of it
        raise invalid_options_error("a URL that can not be read") from None
    pool = template.connection_pool
    if pool.connection_class not in (Connection, SSLConnection):
        raise invalid_options_error("the path of a Unix socket")
    if pool.connection_kwargs.get("db"):
        raise invalid_options_error("another database than 0, the only one of a cluster")
    own = {"host": "localhost", "port": DEFAULT_PORT, **pool.connection_kwargs}
    addresses = [parse_address(*each) for each in enumerate(nodes or (), 1)]
    addresses = addresses or [(own["host"], own["port"])]
    return ClusterNodes(pool.connection_class, own, addresses).client(key_slot(key.encode()))


def pooled_client(connection_class: type, options: dict) -> redis.Redis:
    """Make a client whose connections have some options."""
    pool = redis.ConnectionPool(connection_class=connection_class, **options)
    client = redis.Redis(connection_pool=pool)
    client.auto_close_connection_pool = True  # it is nobody else's
    return client


def parse_address(number: int, node: Any) -> Address:
    """Parse the address of a server: ``"host"``, ``"host:6379"`` or ``("host", 6379)``."""
    if address := read_address(node, DEFAULT_PORT):
        return address
    raise invalid_options_error(f"node {number} without a host, or with a port that is no number")


def invalid_options_error(got: str) -> ImproperlyConfigured:
    """Make the error that says what was expected, and what is wrong."""
    return ImproperlyConfigured(f"Q_CLUSTER['redis']: {EXPECTED_NODES_TEXT}; got {got}.")


def nodes_of(client: Any) -> ClusterNodes | None:
    """Return the cluster that a client of a slot belongs to; None for any other client."""
    pool = getattr(client, "connection_pool", None)
    return pool.connection_kwargs.get("nodes") if pool is not None else None


def close_clients(client: Any) -> None:
    """Close a client, and those of other slots that were made from it."""
    nodes = nodes_of(client)
    for each in [client] if nodes is None else nodes.clients.values():
        each.close()


def client_of_key(client: Any, key: str) -> Any:
    """Give the client for a key, from the client for another one: the same one where it serves."""
    nodes = nodes_of(client)
    return client if nodes is None else nodes.client(key_slot(key.encode()))
