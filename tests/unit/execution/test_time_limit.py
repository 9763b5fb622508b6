"""The alarm of a worker, and the time limit that anybody can use."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator

import pytest

from django_q.exceptions import TimeoutException
from django_q.execution.time_limit import Alarm, TimeoutHandler


@pytest.fixture(autouse=True)
def alarm_signal() -> Iterator[None]:
    """Give SIGALRM back to whoever had it."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def lags() -> list[float]:
    """List when the alarm said that a batch takes long."""
    return []


@pytest.fixture
def alarm(lags) -> Alarm:
    """Make an alarm that takes a batch for slow soon."""
    alarm = Alarm(lambda: lags.append(time.monotonic()), 0.02)
    alarm.install()
    return alarm


def spin(seconds: float) -> None:
    """Work for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_a_slow_task_is_noticed_once(alarm, lags):
    alarm.start_batch()
    alarm.start_task(None)
    spin(0.1)
    alarm.end_task()
    alarm.end_batch()

    assert len(lags) == 1


def test_a_fast_batch_is_not(alarm, lags):
    alarm.slow_batch_seconds = 0.5  # in which a machine that has much to do gets to the end of it
    alarm.start_batch()
    alarm.start_task(None)
    alarm.end_task()
    alarm.end_batch()
    spin(0.6)

    assert lags == []


@pytest.mark.parametrize("limit", [0.01, 0.1])
def test_a_task_past_its_limit_is_ended(alarm, limit):
    alarm.start_batch()
    alarm.start_task(limit)
    started = time.monotonic()

    with pytest.raises(TimeoutException):
        spin(5)

    assert limit <= time.monotonic() - started < 4
    alarm.end_task()
    alarm.end_batch()


def test_what_comes_after_a_task_is_not_interrupted(alarm):
    alarm.start_batch()
    alarm.start_task(0.5)
    alarm.end_task()
    spin(0.6)

    alarm.end_batch()


def test_anybody_can_set_a_limit():
    with pytest.raises(TimeoutException, match=r"0\.05 seconds"), TimeoutHandler(0.05):
        spin(5)


@pytest.mark.parametrize("limit", [None, -1, 5])
def test_a_limit_that_is_not_reached_leaves_no_alarm(limit):
    with TimeoutHandler(limit):
        pass

    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@pytest.mark.parametrize("error", [OSError, ValueError, MemoryError, SystemExit, TimeoutException])
def test_what_fails_in_the_alarm_does_not_reach_the_task(error):
    calls = []

    def report_slow_batch() -> None:
        calls.append(time.monotonic())
        raise error

    alarm = Alarm(report_slow_batch, 0.01)
    alarm.install()

    alarm.start_batch()
    alarm.start_task(None)
    spin(0.2)
    alarm.end_task()
    alarm.end_batch()

    assert 1 < len(calls) < 6  # again, and less and less often


def test_a_time_limit_holds_although_the_alarm_fails():
    def report_slow_batch() -> None:
        raise RecursionError

    alarm = Alarm(report_slow_batch, 0.01)
    alarm.install()

    alarm.start_batch()
    alarm.start_task(0.1)
    with pytest.raises(TimeoutException) as caught:
        spin(5)
    alarm.end_batch()

    assert caught.value.ends_task


def lowest_limit() -> int:
    """Find the limit of recursion that is reached already, in the frame of the caller."""
    for limit in range(5, sys.getrecursionlimit()):
        try:
            sys.setrecursionlimit(limit)
        except RecursionError:
            continue
        return limit - 1
    raise AssertionError


def test_a_task_at_the_end_of_its_stack_is_not_interrupted(lags):
    alarm = Alarm(lambda: lags.append(time.monotonic()), 0.005)
    alarm.install()
    before = sys.getrecursionlimit()
    alarm.start_batch()
    alarm.start_task(None)

    try:
        sys.setrecursionlimit(lowest_limit() + 2)  # less than the handler wants
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            pass
    finally:
        sys.setrecursionlimit(before)

    assert lags == []
    spin(0.05)
    assert len(lags) == 1  # it was made up for
    alarm.end_task()
    alarm.end_batch()
