"""Callers are told by the monitors of clusters that run."""

from __future__ import annotations

import asyncio
import threading

import pytest

from django_q.results.waiting.loops import LoopWaits
from django_q.results.waiting.shared_subscription import Told
from django_q.tasks import aresult, async_batch, queue
from tests.told import LONG_PAUSE, subscribers, wait_until_told
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]
NUMBER = 1000


def are_waiting() -> bool:
    """Tell whether all coroutines wait to be told."""
    paces = [pace for waits in list(LoopWaits.by_loop.values()) for pace in list(waits.paces)]
    return sum(pace.pause_seconds == LONG_PAUSE for pace in paces) == NUMBER


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_thousand_coroutines_are_told_by_one_connection(
    broker, request, running_cluster, monkeypatch
):
    kind = request.node.callspec.params["broker"]
    wait_until_told(monkeypatch)
    running_cluster(save_limit=0)
    queue().pause()
    ids = async_batch([("tests.tasks.multiply", (number, 2)) for number in range(NUMBER)])
    found = []

    async def wait_for_all() -> None:
        found.extend(await asyncio.gather(*(aresult(each, wait=-1) for each in ids)))

    thread = threading.Thread(target=lambda: asyncio.run(wait_for_all()))
    thread.start()
    wait_until(are_waiting)
    assert subscribers(broker, kind) == 1
    queue().resume()
    thread.join(120)

    assert found == [number * 2 for number in range(NUMBER)]
    wait_until(lambda: subscribers(broker, kind) == 0)
    assert not Told.subscriptions
