"""Queues, flags and counts that processes share."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import queue
import select
import signal
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import pytest

from django_q import queues
from django_q.queues import STOP, ExclusiveWait, Flag, LockFreeCounter, Queue
from tests.waiting import wait_until


@pytest.fixture(params=["SOCK_SEQPACKET", "SOCK_DGRAM"])
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """Make a queue, of each kind of sockets."""
    kind = getattr(socket, request.param)
    monkeypatch.setattr(queues, "message_socket_type", lambda: kind)
    made = Queue()
    assert made.reader.type == kind
    yield made
    made.close()


@pytest.mark.parametrize("item", [1, None, {"key": ("x", 2.5)}, b"\x00", "ä", b"x" * 5_000_000])
def test_an_item_comes_out_as_it_went_in(made, item):
    made.put(item)
    assert made.qsize() == 1

    assert made.get(timeout=20) == item
    assert made.qsize() == 0


def test_items_come_in_order(made):
    for number in range(100):
        made.put(number)

    assert [made.get() for _ in range(100)] == list(range(100))


def test_items_put_together_are_taken_together(made):
    made.put_many([1, 2, 3])
    made.put_many([4])

    assert made.get_many() == [1, 2, 3]
    assert made.get_many() == [4]


def test_what_is_left_of_a_message_counts_as_waiting(made):
    made.put_many([1, 2, 3])

    assert made.get() == 1
    assert made.qsize() == 2
    assert not made.empty()
    assert made.get_many() == [2, 3]
    assert made.empty()


def test_an_empty_queue_says_so(made):
    assert made.empty()
    with pytest.raises(queue.Empty):
        made.get_nowait()
    with pytest.raises(queue.Empty):
        made.get(timeout=0.01)


def test_a_full_queue_says_so_and_counts_right(made):
    put = itertools.count()
    with pytest.raises(queue.Full):
        deque((made.put_many([n, "x" * 50_000], block=False) for n in put), maxlen=0)

    fitted = next(put) - 1
    assert made.qsize() == 2 * fitted > 0
    assert [made.get_many()[0] for _ in range(fitted)] == list(range(fitted))


def test_what_can_not_be_pickled_raises_and_leaves_nothing(made):
    with pytest.raises((pickle.PicklingError, AttributeError)):
        made.put(lambda: None)

    assert made.qsize() == 0
    assert made.empty()


def test_a_queue_ends_when_its_last_writer_is_gone():
    made = Queue()
    made.put("last")
    made.writer.close()

    assert made.get() == "last"
    with pytest.raises(EOFError):
        made.get()
    made.close()


@pytest.mark.parametrize("missing", ["SOCK_SEQPACKET", None])
def test_datagrams_serve_where_there_are_no_other_sockets(monkeypatch, missing):
    if missing:
        monkeypatch.delattr(socket, missing)
    assert queues.message_socket_type() == (socket.SOCK_DGRAM if missing else socket.SOCK_SEQPACKET)


def wait_and_take(source: Queue, told: Flag, woken: Queue) -> None:
    """Say each time that there was something to read, and take it; until told."""
    wait = ExclusiveWait(source, [told])
    woken.put("waits")
    while source in wait():
        with suppress(queue.Empty):
            source.get_nowait()
        woken.put("woken")


@pytest.mark.parametrize("has_epoll", [True, False])
def test_an_item_wakes_a_process_that_waits_and_a_flag_wakes_all(monkeypatch, has_epoll):
    if not has_epoll:
        monkeypatch.delattr(select, "EPOLLEXCLUSIVE", raising=False)
    source, told, woken = Queue(), Flag(), Queue()
    context = multiprocessing.get_context("fork")
    waiting = [context.Process(target=wait_and_take, args=(source, told, woken)) for _ in range(3)]
    for process in waiting:
        process.start()
    assert [woken.get(timeout=20) for _ in waiting] == ["waits"] * 3

    for number in range(20):
        source.put(number)
        assert woken.get(timeout=20) == "woken"
        wait_until(source.empty)
    told.set()

    for process in waiting:
        process.join(20)
    assert not any(process.is_alive() for process in waiting)


def test_a_large_message_leaves_no_descriptor_open(made):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        made.put(b"x" * 500_000)
        made.get()

    assert len(os.listdir("/proc/self/fd")) == before


def test_who_fills_the_queue_hears_that_it_is_empty(made):
    made.request_items()
    made.request_items()

    made.wait_for_request(5)  # returns at once, and has heard both
    flag = Flag()
    flag.set()
    made.wait_for_request(5, flag)


def count_items(source: Queue, target: Queue) -> None:
    """Count what a reader gets."""
    number = 0
    for _ in iter(source.get, STOP):
        number += 1
    target.put(number)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_each_item_reaches_one_reader(method):
    context = multiprocessing.get_context(method)
    source, target = Queue(), Queue()
    readers = [context.Process(target=count_items, args=(source, target)) for _ in range(2)]
    for reader in readers:
        reader.start()

    for number in range(500):
        source.put(("x" * (number * 400), number))
    for _ in readers:
        source.put(STOP)

    assert sum(target.get(timeout=20) for _ in readers) == 500
    for reader in readers:
        reader.join()
    assert source.qsize() == 0


def read_for_ever(source: Queue) -> None:
    """Read until killed."""
    while True:
        source.get()


def test_a_killed_reader_takes_nothing_along_but_what_it_had(made):
    context = multiprocessing.get_context("fork")
    for round_number in range(10):
        reader = context.Process(target=read_for_ever, args=(made,))
        reader.start()
        for number in range(50 * round_number):
            made.put(number)
        os.kill(reader.pid, signal.SIGKILL)
        reader.join()

    while not made.empty():
        made.get()
    made.put("after")
    assert made.get(timeout=20) == "after"
    with pytest.raises(queue.Empty):
        made.get_nowait()
    assert made.qsize() == 0  # whatever the killed ones had not counted yet


def test_a_count_goes_up_and_down_and_not_below_zero():
    count = LockFreeCounter()
    count.add(5)
    count.add(-2)
    assert count.value() == 3

    count.add(-9)
    assert count.value() == 0
    count.close()


def add_many(count: LockFreeCounter) -> None:
    """Add one a hundred thousand times."""
    for _ in range(100_000):
        count.add(1)


def test_processes_add_to_a_count_at_once():
    context = multiprocessing.get_context("fork")
    count = LockFreeCounter()
    adders = [context.Process(target=add_many, args=(count,)) for _ in range(4)]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()

    assert count.value() == 400_000


def raise_flag(flag: Flag) -> None:
    """Raise a flag."""
    flag.set()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_flag_is_seen_by_all_and_stays_up(method):
    flag = Flag()
    assert not flag.wait(0.01)

    process = multiprocessing.get_context(method).Process(target=raise_flag, args=(flag,))
    process.start()

    assert flag.wait(20)
    assert flag.is_set()
    process.join()
