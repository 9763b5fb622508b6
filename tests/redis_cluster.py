"""Three servers that are one Redis Cluster, started for the tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from redis.crc import key_slot

from django_q.servers.redis_cluster import nodes_of
from tests.ports import free_port
from tests.servers import RedisServer
from tests.waiting import wait_until

__all__ = ["RedisCluster", "nodes_of", "redis_cluster"]

SLOT_COUNT = 16_384


class RedisCluster:
    """Servers of which each has as many slots as the others."""

    def __init__(
        self, size: int = 3, replicas: int = 0, program: Path | None = None, **options: str
    ) -> None:
        self.size = size
        fixed = {"cluster-enabled": "yes", "cluster-node-timeout": "1000", **options}
        self.servers = [
            RedisServer(program, **fixed, **{"cluster-port": str(free_port())})
            for _ in range(size + size * replicas)
        ]

    def start(self) -> RedisCluster:
        """Start the servers, let them meet, and wait until each knows who has which slot."""
        for server in self.servers:
            server.start()
        for number, server in enumerate(self.servers[: self.size]):
            first = SLOT_COUNT * number // self.size
            last = SLOT_COUNT * (number + 1) // self.size - 1
            self.ask(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
            self.ask(server, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server in self.servers[1:]:
            port, bus_port = self.servers[0].port, self.servers[0].options["cluster-port"]
            self.ask(server, "CLUSTER", "MEET", "127.0.0.1", port, bus_port)
        wait_until(lambda: all(map(self.is_complete, self.servers)))
        for number, replica in enumerate(self.servers[self.size :]):
            master = self.ask(self.servers[number % self.size], "CLUSTER", "MYID")
            self.ask(replica, "CLUSTER", "REPLICATE", master)
        return self

    def stop(self) -> None:
        """Stop the servers."""
        for server in self.servers:
            server.stop()

    def ask(self, server: RedisServer, *command: object) -> object:
        """Send one server a command."""
        with server.client() as client:
            return client.execute_command(*command, NEVER_DECODE=True)

    def is_complete(self, server: RedisServer) -> bool:
        """Say whether a server knows all others, and all slots."""
        text = str(self.ask(server, "CLUSTER", "INFO"))
        known = f"cluster_known_nodes:{len(self.servers)}"
        return "cluster_state:ok" in text and known in text

    @property
    def options(self) -> dict:
        """The option ``redis`` of ``Q_CLUSTER``; the first server may be gone later."""
        nodes = [["127.0.0.1", server.port] for server in self.servers]
        return {"cluster": True, "startup_nodes": nodes}

    def await_replica(self, master: RedisServer) -> None:
        """Wait until a server has a replica that has all that it has, and can take over."""
        with master.client() as client:
            wait_until(lambda: client.info("replication")["connected_slaves"])
            wait_until(lambda: client.wait(1, 1000))
        wait_until(lambda: all(map(self.knows_replicas, self.running)))

    def knows_replicas(self, server: RedisServer) -> bool:
        """Say whether a server knows who is a replica."""
        return all(len(row) > 3 for row in self.ask(server, "CLUSTER", "SLOTS"))

    def await_owner_other_than(self, old: RedisServer, key: str) -> RedisServer:
        """Wait until another server has a key. Returns that."""
        wait_until(lambda: self.owner(key) is not old)
        new = self.owner(key)
        wait_until(lambda: "cluster_state:ok" in str(self.ask(new, "CLUSTER", "INFO")))
        return new

    @property
    def running(self) -> list[RedisServer]:
        """The servers that run."""
        return [server for server in self.servers if server.is_running()]

    def owner(self, key: str) -> RedisServer:
        """Find the server that has a key."""
        ranges = self.ask(self.running[-1], "CLUSTER", "SLOTS")
        slot = key_slot(key.encode())
        port = next(master[1] for first, last, master, *_ in ranges if first <= slot <= last)
        return next(server for server in self.servers if server.port == port)

    def move_slot(self, key: str) -> RedisServer:
        """Move the slot of a key, and the keys in it, to another server. Returns that."""
        slot, old = key_slot(key.encode()), self.owner(key)
        new = next(server for server in self.servers if server is not old)
        names = [self.ask(each, "CLUSTER", "MYID") for each in (old, new)]
        self.ask(new, "CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
        self.ask(old, "CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
        while keys := self.ask(old, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            self.ask(old, "MIGRATE", "127.0.0.1", new.port, "", 0, 5000, "KEYS", *keys)
        for server in (new, old, *self.running):
            self.ask(server, "CLUSTER", "SETSLOT", slot, "NODE", names[1])
        return new

    def placed_keys(self) -> list[tuple[RedisServer, bytes]]:
        """List all keys, and where each is."""
        found = []
        for server in self.servers:
            with server.client() as client:
                found += [(server, key) for key in client.scan_iter()]
        return found

    def flush(self) -> None:
        """Delete all keys."""
        for server in self.servers:
            with server.client() as client:
                client.flushall()


@cache
def redis_cluster() -> RedisCluster:
    """Give the Redis Cluster of this test run, started when it is first asked for."""
    return RedisCluster().start()
