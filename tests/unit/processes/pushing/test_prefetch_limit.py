"""How much the pusher takes."""

from __future__ import annotations

import pytest

from django_q.processes.pushing import prefetch_limit as limits
from django_q.processes.pushing.prefetch_limit import (
    MAX_DEQUEUE_BATCH,
    PREFETCH_SECONDS,
    MeasuredPrefetchLimit,
)


class Cluster:
    """What a prefetch limit reads: the numbers of a cluster, and the clock."""

    def __init__(self) -> None:
        self.idle, self.finished, self.backlog, self.now = 2, 0, 0, 100.0

    def monotonic(self) -> float:
        """Tell the time."""
        return self.now

    def work(self, rate: float, seconds: float = 1.0) -> None:
        """Let time pass, and tasks be done."""
        self.finished += int(rate * seconds)
        self.now += seconds


@pytest.fixture
def cluster(monkeypatch):
    """Make the numbers of a cluster."""
    cluster = Cluster()
    monkeypatch.setattr(limits, "time", cluster)
    return cluster


@pytest.fixture
def prefetch_limit(cluster):
    """Make the prefetch limit of a cluster with two workers."""
    return MeasuredPrefetchLimit(
        2, lambda: cluster.idle, lambda: cluster.finished, lambda: cluster.backlog
    )


def test_at_first_each_idle_worker_gets_one(prefetch_limit):
    assert prefetch_limit.limit(0) == 2
    assert prefetch_limit.worker_batch_size() == 1


def test_nothing_is_taken_for_workers_that_are_busy_with_slow_tasks(prefetch_limit, cluster):
    prefetch_limit.limit(0)
    cluster.idle = 0
    cluster.work(rate=1)

    assert prefetch_limit.limit(0) == 0
    assert prefetch_limit.poll_interval() == limits.SLOW_POLL_INTERVAL


def test_fast_tasks_are_taken_for_fifty_milliseconds(prefetch_limit, cluster):
    cluster.idle = 0
    for _ in range(20):
        prefetch_limit.limit(0)
        cluster.work(rate=4000)

    assert prefetch_limit.limit(0) == pytest.approx(4000 * PREFETCH_SECONDS, rel=0.05)
    assert prefetch_limit.limit(100) == pytest.approx(4000 * PREFETCH_SECONDS - 100, rel=0.1)
    assert prefetch_limit.limit(190) == 0  # rather none than a few
    assert prefetch_limit.worker_batch_size() in (
        5,
        6,
    )  # of 2,000 a second and worker, those of three milliseconds
    assert prefetch_limit.poll_interval() == limits.FAST_POLL_INTERVAL


def test_no_more_is_taken_than_one_script_gives(prefetch_limit, cluster):
    for _ in range(20):
        prefetch_limit.limit(0)
        cluster.work(rate=100_000)

    assert prefetch_limit.limit(0) == MAX_DEQUEUE_BATCH


def test_the_rate_falls_at_once_and_rises_by_half_while_few_tasks_show_it(prefetch_limit, cluster):
    prefetch_limit.limit(0)
    cluster.work(rate=8)
    prefetch_limit.limit(0)
    cluster.work(rate=8)
    prefetch_limit.limit(0)
    assert prefetch_limit.rate == pytest.approx(6, rel=0.1)

    cluster.work(rate=1)
    prefetch_limit.limit(0)
    assert prefetch_limit.rate == pytest.approx(1)


def test_many_tasks_show_the_rate_at_once(prefetch_limit, cluster):
    prefetch_limit.limit(0)

    cluster.work(rate=10_000, seconds=0.01)

    prefetch_limit.limit(0)
    assert prefetch_limit.rate == pytest.approx(10_000)


def test_nothing_is_taken_while_results_wait_to_be_saved(prefetch_limit, cluster):
    cluster.backlog = limits.MAX_UNSAVED_RESULTS + 1

    assert prefetch_limit.limit(0) == 0
    assert prefetch_limit.poll_interval() == limits.FAST_POLL_INTERVAL


def test_queue_limit_is_kept(prefetch_limit, cluster, conf):
    conf(queue_limit=3)
    for _ in range(20):
        prefetch_limit.limit(0)
        cluster.work(rate=4000)

    assert prefetch_limit.limit(0) == 3
    assert prefetch_limit.limit(3) == 0


def test_what_is_not_done_in_a_second_is_too_much_to_hold(prefetch_limit, cluster):
    assert not prefetch_limit.is_overfull(100)
    cluster.work(rate=4000)
    assert not prefetch_limit.is_overfull(100)
    cluster.work(rate=3, seconds=0.9)
    assert not prefetch_limit.is_overfull(100)

    cluster.work(rate=3, seconds=0.1)

    assert prefetch_limit.is_overfull(100)
    assert not prefetch_limit.is_overfull(2)  # a second begins anew


def test_the_second_begins_when_tasks_wait(prefetch_limit, cluster):
    prefetch_limit.is_overfull(0)
    cluster.work(rate=0, seconds=60)

    assert not prefetch_limit.is_overfull(3)
    cluster.work(rate=0, seconds=0.5)
    assert not prefetch_limit.is_overfull(0)
    cluster.work(rate=0, seconds=0.5)
    assert not prefetch_limit.is_overfull(3)


def test_a_look_is_worth_it_while_a_worker_may_put_tasks_back(prefetch_limit, cluster):
    assert not prefetch_limit.is_in_use(0)
    assert prefetch_limit.is_in_use(1)

    cluster.idle = 1

    assert prefetch_limit.is_in_use(0)
