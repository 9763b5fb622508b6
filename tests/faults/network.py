"""A network that can fail: the cluster's host, the server's host, and the wire between them.

Each host is a network namespace of its own, which goes with the test run; nothing of the machine's
own network is touched. The wire is a thread that carries packets from one to the other: it can be
cut, in both directions or in one, and it can lose and delay what it carries, whatever the kernel
knows of that. Needs root on Linux.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SIOCSIFADDR, SIOCSIFNETMASK, SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8916, 0x891C, 0x8913, 0x8914
IFF_UP = 0x1
#: Addresses of the two hosts, in a network that is there for examples.
CLUSTER, SERVER, NETMASK = "192.0.2.1", "192.0.2.2", "255.255.255.0"


@cache
def is_here() -> bool:
    """Whether this process may make such networks."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("nsenter"):
        return False
    try:
        Network().close()
    except OSError:
        return False
    return True


class Host:
    """A host of its own: a network namespace with one interface, which is a file to us."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.namespace, self.tunnel = elsewhere(self.make)

    def make(self) -> tuple[int, int]:
        """Make a namespace of the calling thread, and the interface in it; their descriptors."""
        call(libc().unshare, CLONE_NEWNET)
        namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            os.close(namespace)
            raise
        fcntl.ioctl(tunnel, TUNSETIFF, interface("tun0", "H", IFF_TUN | IFF_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for request, address in ((SIOCSIFADDR, self.address), (SIOCSIFNETMASK, NETMASK)):
                fcntl.ioctl(control, request, with_address("tun0", address))
            for name in ("lo", "tun0"):
                flags = fcntl.ioctl(control, SIOCGIFFLAGS, interface(name, "H", 0))
                up = struct.unpack_from("16sH", flags)[1] | IFF_UP
                fcntl.ioctl(control, SIOCSIFFLAGS, interface(name, "H", up))
        return namespace, tunnel

    def listen(self) -> socket.socket:
        """Listen on a port of this host."""

        def make() -> socket.socket:
            call(libc().setns, self.namespace, CLONE_NEWNET)
            return socket.create_server((self.address, 0))

        return elsewhere(make)

    def command(self) -> list[str]:
        """Give what runs the command behind it on this host."""
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.namespace}"]

    def close(self) -> None:
        """Take the host away, once nobody is on it."""
        os.close(self.tunnel)
        os.close(self.namespace)


@dataclass
class Direction:
    """What becomes of packets that go one way."""

    is_cut: bool = False
    loss: float = 0.0  #: share of the packets
    delay: float = 0.0  #: seconds at most; a packet may overtake another


class Network:
    """Two hosts and the wire between them."""

    def __init__(self) -> None:
        self.cluster = Host(CLUSTER)
        try:
            self.server = Host(SERVER)
        except OSError:
            self.cluster.close()
            raise
        self.requests, self.replies = Direction(), Direction()
        self.random = random.Random(1)
        self.closing = False
        self.under_way: list[tuple[float, int, int, bytes]] = []  # due, number, where to, packet
        self.carried = 0
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    def carry(self) -> None:
        """Carry packets until the network is closed."""
        ways = {
            self.cluster.tunnel: (self.server.tunnel, self.requests),
            self.server.tunnel: (self.cluster.tunnel, self.replies),
        }
        while not self.closing:
            due = self.under_way[0][0] - time.monotonic() if self.under_way else 0.02
            ready, _, _ = select.select(list(ways), [], [], min(max(due, 0.0), 0.02))
            for source in ready:
                self.take(source, *ways[source])
            while self.under_way and self.under_way[0][0] <= time.monotonic():
                _, _, target, packet = heapq.heappop(self.under_way)
                put(target, packet)

    def take(self, source: int, target: int, direction: Direction) -> None:
        """Take what has come in at one end, and pass it on, now or later, or not."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(100):
                packet = os.read(source, 65536)
                if direction.is_cut or self.random.random() < direction.loss:
                    continue
                if not direction.delay:
                    put(target, packet)
                    continue
                self.carried += 1
                due = time.monotonic() + self.random.uniform(0, direction.delay)
                heapq.heappush(self.under_way, (due, self.carried, target, packet))

    @contextlib.contextmanager
    def failing(self, *directions: Direction, **values: Any) -> Iterator[None]:
        """Let directions fail for the time of a block: ``failing(replies, is_cut=True)``."""
        try:
            for direction in directions:
                vars(direction).update(values)
            yield
        finally:
            for direction in directions:
                vars(direction).update(vars(Direction()))

    def close(self) -> None:
        """Take all of it away."""
        self.closing = True
        self.thread.join(10)
        self.cluster.close()
        self.server.close()


def put(target: int, packet: bytes) -> None:
    """Hand a packet to a host; one that has no room for it loses it, as networks do."""
    with contextlib.suppress(OSError):
        os.write(target, packet)


def elsewhere(function: Callable[[], T]) -> T:
    """Call a function in a thread that ends with it, as do the namespaces that it enters."""
    found: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return found[0]


@cache
def libc() -> ctypes.CDLL:
    """Give the C library, which has what Python knows from 3.12 on."""
    return ctypes.CDLL(None, use_errno=True)


def call(function: Any, *args: int) -> None:
    """Call a function of the C library; raises ``OSError``."""
    if function(*args):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def interface(name: str, form: str, value: int) -> bytes:
    """Write the kernel's ``struct ifreq`` with a number."""
    return struct.pack(f"16s{form}22x", name.encode(), value)


def with_address(name: str, address: str) -> bytes:
    """Write the kernel's ``struct ifreq`` with an address."""
    return struct.pack("16sHH4s16x", name.encode(), socket.AF_INET, 0, socket.inet_aton(address))
