"""The alarm of a worker, and the time limit that anybody can use."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from django_q.exceptions import TimeoutException
from django_q.lifecycle.timeout import Alarm, TimeoutHandler


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
    """Make an alarm with a short patience."""
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
    alarm.patience = 0.5  # in which a machine that has much to do gets to the end of it
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
