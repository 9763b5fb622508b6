"""A pause is asked for once, is ended whatever happens, and is missed where it does not hold."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from tests.faults.invariants import TaskRun, Trace
from tests.faults.pauses import IN_HAND, Pauses
from tests.waiting import comes


class Queue:
    """A queue that refuses a number of orders."""

    def __init__(self, refused: int = 0) -> None:
        self.refused = refused
        self.orders: list[str] = []

    def order(self, name: str) -> None:
        self.refused -= 1
        if self.refused >= 0:
            raise ConnectionError
        self.orders.append(name)

    def pause(self) -> None:
        self.order("pause")

    def resume(self) -> None:
        self.order("resume")

    def lock_size(self) -> int:
        return 7


def made(queue: Queue, begins: float | None = 0.5) -> Pauses:
    """Make the pauses of a run."""
    run = SimpleNamespace(producing=queue, broker=queue, quietly=comes, clusters=["one"])
    run.has_lapsed = False
    pauses = Pauses(random.Random(1), run)
    pauses.begins = begins
    return pauses


def enqueue_all(pauses: Pauses) -> None:
    """Make all calls of a run."""
    for index in range(100):
        pauses.at(index / 100)


def test_the_queue_is_paused_once_and_resumed():
    queue = Queue()

    enqueue_all(pauses := made(queue))
    pauses.end()

    assert queue.orders == ["pause", "resume"]


def test_most_runs_have_no_pause():
    shares = [Pauses(random.Random(f"pauses {seed}"), None).begins for seed in range(100)]

    assert 0.2 < sum(share is not None for share in shares) / 100 < 0.6


@pytest.mark.parametrize("refused", [1, 2, 40])
def test_a_pause_that_may_stand_is_ended(refused):
    queue = Queue(refused)

    enqueue_all(pauses := made(queue))
    pauses.end()

    assert queue.orders[-1] == "resume"
    assert not pauses.may_stand


@pytest.mark.parametrize("began", [7, 8])
def test_more_than_what_was_in_hand_is_named(began):
    pauses, trace = made(Queue()), Trace()
    pauses.pause()
    pauses.stands = 5.0, 6.0
    for number in range(began):
        trace.runs[number].append(TaskRun(number, 7, 5.5, 5.6))
        trace.runs[number + 1000].append(TaskRun(number, 7, 6.5, 6.6))

    found = ["begun though the queue was paused: 8, 7 were in hand"]
    assert list(pauses.violations(trace)) == (found if began > 7 else [])


@pytest.mark.parametrize("began", [IN_HAND, IN_HAND + 1])
def test_where_leases_have_ended_early_no_more_than_a_cluster_may_hold_begins(began):
    pauses, trace = made(Queue()), Trace()
    pauses.run.has_lapsed, pauses.stands = True, (5.0, 6.0)
    for number in range(began):
        trace.runs[number].append(TaskRun(number, 7, 5.5, 5.6))

    assert bool(list(pauses.violations(trace))) == (began > IN_HAND)
