"""A deployment of Redis Sentinel: a master, a replica, and the sentinel that watches them."""

from __future__ import annotations

import contextlib
from typing import Any

import redis

from tests.servers import RedisServer
from tests.waiting import wait_until

SERVICE = "mymaster"
#: Milliseconds of silence after which a server is taken for dead: more than a busy machine takes.
DOWN_AFTER = 3000
#: Milliseconds: after twice as many it tries again where it found no replica that would do.
FAILOVER_TIMEOUT = 5000


class SentinelServer(RedisServer):
    """A sentinel, alone in its opinion, that watches one master."""

    def __init__(self, master: RedisServer) -> None:
        super().__init__()
        self.file = self.directory / "sentinel.conf"
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.directory}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER}",
            f"sentinel failover-timeout {SERVICE} {FAILOVER_TIMEOUT}",
        ]
        self.file.write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        return [str(self.program), str(self.file), "--sentinel"]


class Deployment:
    """Servers of its own, started and ready for a failover."""

    def __init__(self) -> None:
        self.servers = [RedisServer(**{"repl-diskless-sync-delay": "0"}) for _ in range(2)]
        self.sentinel = SentinelServer(self.servers[0])

    @property
    def options(self) -> dict[str, Any]:
        """Name it in ``Q_CLUSTER['redis']``."""
        return {"sentinels": [["127.0.0.1", self.sentinel.port]], "service_name": SERVICE}

    @property
    def master(self) -> RedisServer:
        """The server that the sentinel names."""
        fields = self.ask("master")  # another command knows before redis-py does
        port = int(fields[fields.index("port") + 1])
        return next(server for server in self.servers if server.port == port)

    def ask(self, command: str, *arguments: str) -> Any:
        """Send the sentinel a command about its master."""
        with redis.Redis(port=self.sentinel.port, decode_responses=True, protocol=2) as client:
            return client.execute_command("SENTINEL", command, SERVICE, *arguments)

    def start(self) -> Deployment:
        """Start, and return when the sentinel knows the replica and the replica has it all."""
        for server in self.servers:
            server.start()
        with self.servers[1].client() as client:
            client.replicaof("127.0.0.1", self.servers[0].port)
        self.catch_up()
        self.sentinel.start()
        wait_until(self.is_ready)
        return self

    def is_ready(self) -> bool:
        """Whether the sentinel sees a replica that could become the master."""
        replicas = [dict(zip(row[::2], row[1::2], strict=True)) for row in self.ask("replicas")]
        return any(row["master-link-status"] == "ok" for row in replicas)

    def catch_up(self) -> None:
        """Wait until the replica has all that the master had when this began."""
        server = self.servers[0] if self.sentinel.process is None else self.master
        with server.client() as client:

            def has_caught_up() -> bool:
                client.set("caught up", "")  # what is waited for are a connection's own writes
                return client.wait(1, 1000) == 1

            wait_until(has_caught_up)

    def fail_over(self, *how: str) -> None:
        """Let the sentinel make the replica the master, and wait until it is."""
        old = self.master
        self.repeat_until_accepted("failover", *how)
        self.await_other_than(old)

    def repeat_until_accepted(self, *command: str) -> None:
        """Send the sentinel a command until it takes it: it may not know enough at first."""

        def is_taken() -> bool:
            with contextlib.suppress(redis.ResponseError):
                return bool(self.ask(*command))
            return False

        wait_until(is_taken)

    def await_other_than(self, old: RedisServer) -> None:
        """Wait until another server is the master, and takes what is written."""

        def is_there() -> bool:
            new = self.master
            if new is old:
                return False
            with new.client() as client:
                return client.role()[0] == b"master"

        wait_until(is_there)

    def settle(self) -> None:
        """Wait until the master of before is a replica, and has thrown away what only it had."""
        wait_until(lambda: self.roles() == {b"master", b"slave"})
        self.catch_up()

    def roles(self) -> set[bytes]:
        """List what the servers take themselves for."""
        found = set()
        for server in self.servers:
            with server.client() as client:
                found.add(client.role()[0])
        return found

    def stop(self) -> None:
        """End all of it."""
        for server in (self.sentinel, *self.servers):
            server.kill()
