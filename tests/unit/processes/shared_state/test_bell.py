"""A bell wakes who waits for it, each time, and whoever rings it never waits."""

from __future__ import annotations

from multiprocessing.connection import wait

from django_q.processes.shared_state.bell import Bell


def test_it_wakes_who_waits_and_can_be_rung_again():
    bell = Bell()
    assert wait([bell], 0) == []

    bell.set()
    bell.set()
    assert wait([bell], 0) == [bell]

    bell.clear()
    assert wait([bell], 0) == []

    bell.set()
    assert wait([bell], 0) == [bell]


def test_to_ring_it_never_waits():
    bell = Bell()
    for _ in range(100_000):  # more than the kernel keeps
        bell.set()

    bell.clear()

    assert not bell.is_set()
