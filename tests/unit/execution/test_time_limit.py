"""The alarm of a worker, and the time limit that anybody can use."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from django_q.exceptions import SoftTimeout, TaskCancelled, TimeoutException
from django_q.execution.time_limit import Alarm, TimeoutHandler
from tests.waiting import comes


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


def test_an_alarm_that_python_has_not_handled_comes_again_until_it_is(alarm, lags):
    def miss_the_first(signum: int, frame: object) -> None:
        alarms.append(time.monotonic())
        if len(alarms) > 1:
            alarm.handle_alarm(signum, frame)

    alarms: list[float] = []
    signal.signal(signal.SIGALRM, miss_the_first)
    alarm.start_batch()
    alarm.start_task(None)
    deadline = time.monotonic() + 60
    while not lags and time.monotonic() < deadline:
        spin(0.01)
    spin(0.2)

    assert (len(lags), len(alarms)) == (1, 2)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


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
    assert comes(lambda: len(calls) > 3, 60)
    alarm.end_task()
    alarm.end_batch()

    pauses = [after - before for before, after in pairwise(calls)]
    assert all(pause > 0.9 * 0.02 * 2**number for number, pause in enumerate(pauses))


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


def test_a_soft_limit_is_raised_once_and_the_time_limit_ends_the_task_then(alarm):
    caught = []
    alarm.start_batch()
    alarm.start_task(0.5, 0.1)
    try:
        spin(5)
    except SoftTimeout as error:
        caught.append(error)
    with pytest.raises(TimeoutException):
        spin(5)
    alarm.end_task()
    alarm.end_batch()

    assert [str(error) for error in caught] == ["Task exceeded its soft time limit"]


def test_a_soft_limit_is_not_raised_after_the_end_of_the_task(alarm):
    alarm.start_batch()
    alarm.start_task(None, 0.05)
    alarm.end_task()
    spin(0.1)
    alarm.start_task(None)
    spin(0.1)
    alarm.end_task()
    alarm.end_batch()


def test_a_soft_limit_holds_although_a_signal_came_just_before_the_task_began(alarm, monkeypatch):
    set_timer = signal.setitimer

    def set_timer_and_signal(which, *seconds):
        set_timer(which, *seconds)
        monkeypatch.setattr(signal, "setitimer", set_timer)
        signal.raise_signal(signal.SIGALRM)

    alarm.start_batch()
    alarm.is_slow_reported = True
    monkeypatch.setattr(signal, "setitimer", set_timer_and_signal)
    alarm.start_task(60, 0.1)

    with pytest.raises(SoftTimeout):
        spin(5)
    alarm.end_task()
    alarm.end_batch()


def cancelled_alarm(texts):
    """Make an alarm that finds a cancellation while there is one."""
    alarm = Alarm(lambda: None, 60, lambda: texts.get("now"))
    alarm.install()
    return alarm


def test_a_task_that_is_cancelled_is_ended_by_the_next_alarm():
    texts = {"now": "cancelled by anna"}
    alarm = cancelled_alarm(texts)
    alarm.start_batch()
    alarm.start_task(None)

    with pytest.raises(TaskCancelled, match="cancelled by anna"):
        signal.raise_signal(signal.SIGALRM)

    signal.raise_signal(signal.SIGALRM)  # while it cleans up
    alarm.end_task()
    alarm.end_batch()


def test_the_signal_of_a_cancellation_hits_no_other_task():
    texts = {"now": None}
    alarm = cancelled_alarm(texts)
    alarm.start_batch()
    signal.raise_signal(signal.SIGALRM)  # before its own code begins
    alarm.start_task(None)
    signal.raise_signal(signal.SIGALRM)  # sent for the one before
    alarm.end_task()
    texts["now"] = "cancelled"
    signal.raise_signal(signal.SIGALRM)  # after its own code
    alarm.end_batch()
