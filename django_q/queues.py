"""Queues between processes that a killed process can not block.

A ``multiprocessing.Queue`` holds a lock while it reads or writes, and a process that is killed
meanwhile never releases it. Here the kernel delivers each message as a whole to exactly one reader,
through a pair of connected sockets that keep messages apart: there is no lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import queue
import select
import socket
import tempfile
import time
from array import array
from collections import deque
from collections.abc import Iterable
from multiprocessing.reduction import DupFd
from typing import Any

from django_q.descriptor_wait import wait_until_readable
from django_q.shared_counter import SharedCounter  # noqa: F401 - where django-q2 has it

#: The item at which a process that reads a queue ends.
STOP = "STOP"

#: Bytes of the kernel's buffer, where it permits so many.
SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
#: A longer message is sent as a file; well below the 208 KiB that Linux allows by default.
MAX_MESSAGE_BYTES = 96 * 1024
#: Seconds between two attempts to send, where the kernel does not block until there is room.
SEND_RETRY_INTERVAL = 0.002
#: The first byte of a message: the items are in it, or in the file that is sent with it.
INLINE_MARKER, FILE_MARKER = b"i", b"f"

#: Bytes for one descriptor beside a message.
ANCILLARY_BYTES = socket.CMSG_SPACE(array("i").itemsize) if hasattr(socket, "CMSG_SPACE") else 0


def message_socket_type() -> int:
    """Return a socket type that keeps messages apart: macOS has no SEQPACKET, but datagrams."""
    try:
        for each in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET):
            each.close()
    except (AttributeError, OSError):
        return socket.SOCK_DGRAM
    return socket.SOCK_SEQPACKET


def anonymous_file() -> Any:
    """Open a file without a name, in memory where the platform supports that."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("django_q", os.MFD_CLOEXEC), "w+b")
    return tempfile.TemporaryFile()


def reopened_descriptor(file: Any) -> int:
    """Open a file again by its path in /proc. Returns the new descriptor.

    Linux 6.18 locks the offset of a file from ``open``, but not of one from ``memfd_create``: two
    processes that move such an offset at the same time may lose one of the moves.
    """
    try:
        return os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # no /proc
        with tempfile.TemporaryFile() as named:
            return os.dup(named.fileno())


class LockFreeCounter:
    """A number that processes share and add to atomically, without a lock of ours.

    It is the offset of an open file: ``lseek`` changes it atomically, and the kernel releases its
    own lock when a process is killed.
    """

    fd = -1

    def __init__(self) -> None:
        with anonymous_file() as file:
            self.fd = reopened_descriptor(file)

    def add(self, number: int) -> int:
        """Add a number, which may be negative; the sum, which is returned, is zero at least."""
        try:
            return os.lseek(self.fd, number, os.SEEK_CUR)
        except OSError:  # it would be negative: another process has reset it
            self.reset()
            return 0

    def value(self) -> int:
        """Return the number."""
        return os.lseek(self.fd, 0, os.SEEK_CUR)

    def set(self, number: int) -> None:
        """Set the number in one step: nobody sees another one meanwhile."""
        os.lseek(self.fd, number, os.SEEK_SET)

    def reset(self) -> None:
        """Set the number to zero."""
        self.set(0)

    def close(self) -> None:
        """Close the descriptor in this process."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> Any:
        return DupFd(self.fd)

    def __setstate__(self, state: Any) -> None:
        self.fd = state.detach()


class Flag:
    """An event that is set once and stays set, without a lock that a killed process could hold.

    Its descriptor is readable as soon as it is set, so it can be waited for by poll(2).
    """

    def __init__(self) -> None:
        self.reader, self.writer = socket.socketpair()

    def set(self) -> None:
        """Set the flag."""
        with contextlib.suppress(OSError):
            self.writer.send(b"1", socket.MSG_DONTWAIT)

    def is_set(self) -> bool:
        """Return True if the flag is set."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is set, for ``timeout`` seconds at most. Returns whether it is."""
        return bool(wait_until_readable([self.reader], timeout))

    def fileno(self) -> int:
        """The descriptor that becomes readable."""
        return self.reader.fileno()

    def close(self) -> None:
        """Close both ends in this process; none exist if the socket pair could not be made."""
        if "reader" in vars(self):
            self.reader.close()
            self.writer.close()

    def __del__(self) -> None:
        self.close()


class ExclusiveWait:
    """Waits for one of several sources, as ``wait_until_readable`` does.

    When several processes wait for ``shared`` and an item comes, Linux wakes only one of them: the
    others would find nothing, and take processor time from the one that does.
    """

    def __init__(self, shared: Any, others: Iterable[Any]) -> None:
        self.sources = {source.fileno(): source for source in (shared, *others)}
        self.poller = None
        with contextlib.suppress(AttributeError, OSError):  # no Linux, or one that is too old
            poller = select.epoll()
            for number, source in self.sources.items():
                exclusive = select.EPOLLEXCLUSIVE if source is shared else 0
                poller.register(number, select.EPOLLIN | exclusive)
            self.poller = poller

    def __call__(self) -> list[Any]:
        """Wait. Returns the sources that can be read."""
        if self.poller is None:
            return wait_until_readable(self.sources.values(), None)
        return [self.sources[number] for number, _ in self.poller.poll()]


class Queue:
    """A queue of picklable items between any number of writers and readers.

    Items put together with ``put_many`` reach one reader together. ``put`` blocks while the
    kernel's buffer is full.
    """

    def __init__(self) -> None:
        self.writer, self.reader = socket.socketpair(socket.AF_UNIX, message_socket_type())
        buffers = ((self.writer, socket.SO_SNDBUF), (self.reader, socket.SO_RCVBUF))
        for end, option in buffers:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        room = min(end.getsockopt(socket.SOL_SOCKET, option) for end, option in buffers)
        self.max_message_bytes = min(MAX_MESSAGE_BYTES, room // 2)
        self.count = LockFreeCounter()
        self._received: deque[Any] = deque()

    def put(self, item: Any) -> None:
        """Add an item. Raises what pickle raises, before anything is sent."""
        self.put_many([item])

    def put_many(self, items: list[Any], block: bool = True) -> None:
        """Add items that one reader takes together.

        Raises ``queue.Full`` where ``block`` is false and the buffer is full.
        """
        data = pickle.dumps(items, pickle.HIGHEST_PROTOCOL)
        # Counted before they can be read, so that the count is never too low.
        self.count.add(len(items))
        try:
            if len(data) > self.max_message_bytes:
                self._send_file(data, block)
            else:
                self._send(INLINE_MARKER + data, [], block)
        except BaseException as error:
            self.count.add(-len(items))
            if isinstance(error, BlockingIOError):
                raise queue.Full from None
            raise

    def _send(self, message: bytes, rights: list, block: bool) -> None:
        """Send a message and descriptors. Raises ``BlockingIOError`` instead of blocking."""
        while True:
            try:
                # Not socket.send_fds, which drops the flags before Python 3.13.
                self.writer.sendmsg([message], rights, 0 if block else socket.MSG_DONTWAIT)
                return
            except OSError as error:  # a full buffer of datagrams is an error on macOS
                if error.errno != errno.ENOBUFS:
                    raise
                if not block:
                    raise BlockingIOError from error
            time.sleep(SEND_RETRY_INTERVAL)

    def _send_file(self, data: bytes, block: bool) -> None:
        """Send a long message as a file without a name, by its descriptor."""
        with anonymous_file() as file:
            file.write(data)
            file.flush()
            passed = array("i", [file.fileno()])
            self._send(FILE_MARKER, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)], block)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next item, waiting for one as ``queue.Queue.get`` does.

        Raises ``queue.Empty`` when none came in time.
        """
        if not self._received:
            self._received.extend(self.get_many(block, timeout))
        return self._received.popleft()

    def get_nowait(self) -> Any:
        """Take the next item, or raise ``queue.Empty``."""
        return self.get(block=False)

    def get_many(self, block: bool = True, timeout: float | None = None) -> list[Any]:
        """Take items that were put together. Raises ``queue.Empty`` when none came in time."""
        if self._received:
            items = list(self._received)
            self._received.clear()
            return items
        data = self._receive(block, timeout)
        items = pickle.loads(data)
        self.count.add(-len(items))
        return items

    def get_all(self) -> list[Any]:
        """Take all items that wait, in their order, without blocking."""
        items: list[Any] = []
        with contextlib.suppress(queue.Empty):
            while True:
                items += self.get_many(block=False)
        return items

    def _receive(self, block: bool, timeout: float | None) -> bytes | memoryview:
        """Receive one message from the socket, waiting as ``get`` does."""
        try:
            return self._read(socket.MSG_DONTWAIT)
        except BlockingIOError:
            if not block:
                self._reset_stale_count()
                raise queue.Empty from None
        if timeout is None:
            return self._read(0)
        if not wait_until_readable([self.reader], timeout):
            raise queue.Empty
        return self._receive(False, None)  # another reader may have been faster

    def _read(self, flags: int) -> bytes | memoryview:
        """Read one message, and its file where it has one."""
        data, ancillary, _, _ = self.reader.recvmsg(MAX_MESSAGE_BYTES + 1, ANCILLARY_BYTES, flags)
        if data[:1] == INLINE_MARKER:
            return memoryview(data)[1:]
        if not data:
            raise EOFError("The queue is closed.")
        (passed,) = array("i", ancillary[0][2])
        with open(passed, "rb") as file:
            file.seek(0)
            return file.read()

    def _reset_stale_count(self) -> None:
        """Reset a count above zero of an empty queue: a reader was killed before it subtracted."""
        if self.count.value() and not wait_until_readable([self.reader], 0):
            self.count.reset()

    def request_items(self) -> None:
        """Notify the process that fills the queue that a reader found it empty."""
        with contextlib.suppress(OSError):
            self.reader.send(b"?", socket.MSG_DONTWAIT)

    def wait_for_request(self, timeout: float | None, *others: Any) -> None:
        """Wait until a reader finds the queue empty, or one of ``others`` can be read."""
        wait_until_readable([self.writer, *others], timeout)
        with contextlib.suppress(OSError):
            while self.writer.recv(64, socket.MSG_DONTWAIT):
                pass

    def qsize(self) -> int:
        """Return the number of items that wait."""
        return self.count.value() + len(self._received)

    def empty(self) -> bool:
        """Return True if no item waits."""
        return not self._received and not wait_until_readable([self.reader], 0)

    def fileno(self) -> int:
        """The descriptor that is readable while a message waits."""
        return self.reader.fileno()

    def close(self) -> None:
        """Close both ends and the count in this process, as far as they could be made."""
        for name in ("writer", "reader", "count"):
            if name in vars(self):
                getattr(self, name).close()

    def __del__(self) -> None:
        self.close()

    def join_thread(self) -> None:
        """Do nothing: there is no thread. A method of ``multiprocessing.Queue``."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_received"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _received=deque())
