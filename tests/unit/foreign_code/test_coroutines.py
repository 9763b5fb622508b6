"""Coroutines into which the handler of a Unix signal raises an exception where they wait."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from django_q.foreign_code.coroutines import RunningCoroutine


class Interruption(Exception):
    """What is raised where a coroutine waits."""


@pytest.fixture(autouse=True)
def interrupt():
    """Interrupt the coroutine that runs at SIGALRM, as the alarm of a worker does."""

    def handle(signum, frame):
        error = Interruption("now")
        if not RunningCoroutine.current.interrupt(error):
            raise error

    before = signal.signal(signal.SIGALRM, handle)
    yield lambda seconds=0.05: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


async def caught(awaitable):
    """Wait for something, and tell what was raised meanwhile."""
    try:
        await awaitable
    except Interruption as error:
        await asyncio.sleep(0)  # it goes on
        return f"caught {error}"
    return "nothing"


async def in_child_task():
    """Wait for another asyncio task."""
    return await asyncio.create_task(asyncio.sleep(60))


async def spin():
    """Work without ever waiting."""
    while True:
        pass


@pytest.mark.parametrize(
    "make",
    [
        lambda: asyncio.sleep(60),
        lambda: asyncio.gather(asyncio.sleep(60), asyncio.sleep(60)),
        lambda: asyncio.wait_for(asyncio.sleep(60), 60),
        in_child_task,
        spin,
    ],
    ids=["sleep", "gather", "wait_for", "child", "work"],
)
def test_an_exception_is_raised_where_a_coroutine_waits_or_works(interrupt, make):
    async def task():
        interrupt()
        return await caught(make())

    assert RunningCoroutine(task()).run() == "caught now"


def test_what_the_coroutine_does_not_catch_ends_it(interrupt):
    async def task():
        interrupt()
        await asyncio.sleep(60)

    with pytest.raises(Interruption):
        RunningCoroutine(task()).run()


def test_a_coroutine_that_has_caught_it_can_be_cancelled_as_before(interrupt):
    async def task():
        interrupt()
        first = await caught(asyncio.sleep(60))
        try:
            await asyncio.wait_for(asyncio.sleep(60), 0.01)
        except asyncio.TimeoutError:
            return first, "timeout"

    assert RunningCoroutine(task()).run() == ("caught now", "timeout")


def test_an_exception_before_the_loop_began_is_raised_at_the_first_wait(interrupt):
    async def task():
        return await caught(asyncio.sleep(60))

    running = RunningCoroutine(task())
    assert running.interrupt(Interruption("early"))

    assert running.run() == "caught early"


def test_nothing_is_raised_after_the_end(interrupt):
    async def task():
        return 5

    running = RunningCoroutine(task())
    assert running.run() == 5

    assert running.interrupt(Interruption("late"))


def test_a_coroutine_of_another_thread_is_not_interrupted():
    found = []

    async def task():
        found.append(RunningCoroutine.current)

    thread = threading.Thread(target=lambda: RunningCoroutine(task()).run())
    thread.start()
    thread.join()

    assert found == [None]
