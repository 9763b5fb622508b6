"""Coroutines that wait for results are told, by one subscription of their event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient
from django.urls import path

from django_q.models import Task
from django_q.results.waiting import polling
from django_q.results.waiting.loops import LoopWaits
from django_q.results.waiting.shared_subscription import Told
from django_q.tasks import (
    aasync_task,
    acancel,
    afetch,
    afetch_group,
    aresult,
    aresult_group,
    async_batch,
    async_task,
)
from tests.told import LONG_PAUSE, subscribers
from tests.waiting import wait_until

ON_REDIS = pytest.mark.parametrize(
    "kind", [pytest.param("redis", marks=pytest.mark.django_db(transaction=True))], indirect=True
)


async def told_view(request: HttpRequest, task_id: str) -> JsonResponse:
    """Answer with the result of a task."""
    return JsonResponse({"result": await aresult(task_id, wait=-1)})


urlpatterns = [path("results/<str:task_id>", told_view)]


def paces() -> list[Any]:
    """List the coroutines that wait, of all event loops."""
    return [pace for waits in list(LoopWaits.by_loop.values()) for pace in list(waits.paces)]


def wait_for_waiting(number: int) -> None:
    """Wait until so many coroutines wait to be told, and nothing else."""
    wait_until(lambda: [pace.pause_seconds for pace in paces()] == [LONG_PAUSE] * number)


def beside(coroutine: Any) -> tuple[threading.Thread, list[Any]]:
    """Run a coroutine in an event loop of another thread. Its result is in the list by the end."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(coroutine)))
    thread.start()
    return thread, found


async def gather(coroutines: list[Any]) -> list[Any]:
    """Wait for several coroutines."""
    return await asyncio.gather(*coroutines)


def test_coroutines_are_told_by_one_subscription_of_their_loop(telling, kind, run_once):
    ids = async_batch([("tests.tasks.multiply", (number, 2)) for number in range(50)])
    thread, found = beside(gather([aresult(each, wait=-1) for each in ids]))
    wait_for_waiting(50)
    assert subscribers(telling, kind) == 1

    while telling.queue_size():
        run_once(telling)
    thread.join(60)

    assert found == [[number * 2 for number in range(50)]]
    wait_until(lambda: subscribers(telling, kind) == 0)
    assert not LoopWaits.by_loop


@ON_REDIS
def test_groups_and_cached_results_are_waited_for(telling, run_all):
    calls = [("tests.tasks.multiply", (2, number)) for number in range(3)]
    async_batch(calls, group="some")
    cached = async_task("tests.tasks.multiply", 5, 5, cached=60)
    asked = [
        afetch_group("some", count=3),
        aresult_group("some", count=3),
        afetch(cached, wait=-1, cached=True),
    ]
    thread, found = beside(gather(asked))
    wait_for_waiting(3)

    run_all(telling)
    thread.join(60)

    tasks, results, task = found[0]
    assert sorted(each.result for each in tasks) == sorted(results) == [0, 2, 4]
    assert task.result == 25


@ON_REDIS
def test_a_coroutine_that_is_cancelled_leaves_no_subscription(telling, kind):
    async def cancel_one() -> tuple[int, int]:
        tasks = [asyncio.create_task(aresult(str(n) * 32, wait=-1)) for n in range(2)]
        while not Told.subscriptions:
            await asyncio.sleep(0.01)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        one = len(paces())
        tasks[1].cancel()
        await asyncio.wait(tasks)
        return one, len(paces())

    assert asyncio.run(cancel_one()) == (1, 0)
    wait_until(lambda: subscribers(telling, kind) == 0)
    assert not LoopWaits.by_loop


def test_calls_one_after_another_leave_no_subscription(telling, kind, monkeypatch):
    monkeypatch.setattr(polling, "MIN_RESULT_POLL_SECONDS", polling.MAX_RESULT_POLL_SECONDS)

    for _ in range(20):
        assert async_to_sync(aresult)("0" * 32, wait=70, default=5) == 5

    wait_until(lambda: subscribers(telling, kind) == 0)
    assert not LoopWaits.by_loop
    assert not Told.subscriptions


@ON_REDIS
def test_a_loop_that_is_closed_without_ceremony_leaves_no_subscription(telling, kind):
    loop = asyncio.new_event_loop()

    assert loop.run_until_complete(aresult("0" * 32, wait=300)) is None
    loop.close()

    wait_until(lambda: subscribers(telling, kind) == 0)


@ON_REDIS
def test_views_wait_in_the_loop_of_their_server(telling, run_once, settings):
    settings.ROOT_URLCONF = __name__
    task_id = async_task("tests.tasks.multiply", 6, 7)

    async def get() -> Any:
        return (await AsyncClient().get(f"/results/{task_id}")).json()

    thread, found = beside(get())
    wait_for_waiting(1)
    run_once(telling)
    thread.join(60)

    assert found == [{"result": 42}]


def test_a_result_is_awaited_inside_the_transaction_of_a_test(db):
    task_id = async_task("tests.tasks.multiply", 6, 7, sync=True)

    assert async_to_sync(aresult)(task_id, wait=500) == 42
    assert async_to_sync(aresult)("0" * 32, wait=200, default="nothing") == "nothing"
    assert async_to_sync(aresult)("0" * 32) is None


@ON_REDIS
def test_an_error_of_the_database_is_raised_in_who_waits(telling, monkeypatch):
    async def lose_the_table() -> None:
        waiting = asyncio.create_task(aresult("0" * 32, wait=-1))
        while not paces():
            await asyncio.sleep(0.001)
        monkeypatch.setattr(Task._meta, "db_table", "nowhere")
        await waiting

    with pytest.raises(Exception, match="nowhere"):
        asyncio.run(lose_the_table())
    assert not LoopWaits.by_loop


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("broker", ["orm"], indirect=True)
def test_a_task_is_enqueued_and_cancelled_from_a_coroutine(broker):
    async def enqueue_and_cancel() -> tuple[int, str]:
        task_id = await aasync_task("tests.tasks.multiply", 6, 7, q_options={"track": True})
        return await sync_to_async(broker.queue_size)(), await acancel(task_id, reason="late")

    assert async_to_sync(enqueue_and_cancel)() == (1, "removed")
