"""A TCP proxy that lets a network fail: it stalls, delays, cuts, and loses replies."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from enum import Enum


class Mode(Enum):
    """What becomes of the bytes."""

    PASS = "pass"  #: they arrive
    STALL = "stall"  #: they stay where they are: nothing arrives, nothing is closed
    DELAY = "delay"  #: they arrive later
    REFUSE = "refuse"  #: no connection is made, and none is left
    DEAF = "deaf"  #: requests arrive, and their replies do not


def notice_end(end: socket.socket) -> None:
    """Have the kernel find out within seconds that nobody is at the other end any more."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 9}.items():
        if hasattr(socket, name):
            end.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Proxy:
    """Stands before a server on the loopback interface; one thread moves the bytes.

    Listens on the loopback interface as well, or where it is told.
    """

    def __init__(self, target: int, listener: socket.socket | None = None) -> None:
        self.target = target
        self.mode = Mode.PASS
        self.delay = 0.05  #: seconds, for Mode.DELAY
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self.listener.getsockname()
        self.pairs: dict[socket.socket, socket.socket] = {}
        self.clients: set[socket.socket] = set()
        self.lock = threading.Lock()
        self.closing = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        """Move bytes until the proxy is closed."""
        while not self.closing:
            if self.mode is Mode.STALL:
                time.sleep(0.005)
                continue
            with selectors.DefaultSelector() as selector:
                with self.lock:
                    sources = [self.listener, *self.pairs]
                for source in sources:
                    with contextlib.suppress(ValueError):
                        selector.register(source, selectors.EVENT_READ)
                ready = [key.fileobj for key, _ in selector.select(0.02)]
            if self.mode is not Mode.STALL:
                self.move(ready)

    def move(self, ready: list) -> None:
        """Move what has arrived."""
        if self.mode is Mode.DELAY and ready:
            time.sleep(self.delay)
        for source in ready:
            if source is self.listener:
                self.accept()
            elif source in self.pairs:
                self.pass_on(source)

    def accept(self) -> None:
        """Connect a client to the server."""
        client, _ = self.listener.accept()
        if self.mode is Mode.REFUSE:
            client.close()
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.target), 2)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.settimeout(5)
            notice_end(end)
        with self.lock:
            self.pairs[client], self.pairs[server] = server, client
            self.clients.add(client)

    def pass_on(self, source: socket.socket) -> None:
        """Pass bytes on, or the end of the connection."""
        try:
            data = source.recv(1 << 16)
            if data and not (self.mode is Mode.DEAF and source not in self.clients):
                self.pairs[source].sendall(data)
        except OSError:
            data = b""
        if not data:
            self.drop(source)

    def drop(self, end: socket.socket) -> None:
        """Close both ends of a connection."""
        with self.lock:
            other = self.pairs.pop(end, None)
            if other is not None:
                self.pairs.pop(other, None)
            self.clients -= {end, other}
        for each in (end, other):
            if each is not None:
                each.close()

    def server_side(self) -> list[int]:
        """List the ports by which the server knows its clients."""
        servers = [self.pairs.get(client) for client in list(self.clients)]
        with contextlib.suppress(OSError):
            return [server.getsockname()[1] for server in servers if server is not None]
        return []

    def cut(self) -> None:
        """Close every connection, in the middle of whatever it carries."""
        for client in list(self.clients):
            for end in (client, self.pairs.get(client)):
                if end is not None:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def failing(self, mode: Mode) -> Iterator[None]:
        """Fail for the time of a block; what hung in it is cut afterwards."""
        if mode is Mode.REFUSE:
            self.cut()
        self.mode = mode
        try:
            yield
        finally:
            if mode is Mode.DEAF:
                # A reply that was lost must not be followed by the next, nor waited for by who has
                # connected since.
                self.mode = Mode.REFUSE
                self.cut()
            self.mode = Mode.PASS

    def close(self) -> None:
        """End."""
        self.closing = True
        self.thread.join(10)
        for client in list(self.clients):
            self.drop(client)
        self.listener.close()
