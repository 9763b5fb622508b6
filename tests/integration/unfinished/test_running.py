"""The tasks that run, with what their queues keep of them."""

from __future__ import annotations

import json

import pytest

from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.terms import Terms
from django_q.task_state.attempts import Attempts, sign_attempts
from django_q.task_state.cancellation import sign_cancellation
from django_q.tasks import fetch_unfinished, list_unfinished
from django_q.unfinished.running import runs_as_dicts
from tests.heartbeats import make_stat
from tests.integration.unfinished.queued import beat, payload_of, put, run

pytestmark = pytest.mark.django_db(transaction=True)

ONE, TWO = "1" * 32, "2" * 32
END = {"time": "2026-01-02T03:04:05+00:00", "worker": "ant:7", "attempt": 1,
       "exception": "shop.Refused", "text": "no"}  # fmt: skip
ATTEMPTS = Attempts([END], 3, 0)


@pytest.fixture
def memory(make_broker):
    """Give a broker that keeps states."""
    return make_broker("memory")


def keep(broker, task_id, **texts):
    """Take the only task of a queue, and keep texts beside it."""
    (delivery,) = broker.dequeue(wait=0)
    broker.keep_state({delivery.ack_id: KeptState(**texts)})


def test_what_runs_is_told_with_how_its_attempts_have_ended(memory):
    memory.enqueue_task(payload_of(ONE, retries=4), Terms(ONE))
    keep(memory, ONE, attempts=sign_attempts(ONE, ATTEMPTS))
    stat = make_stat(running=[run(ONE, done=1, total=4, note="letters", seconds=5.0)])

    (told,) = runs_as_dicts(memory, [stat])

    assert (told["done"], told["total"], told["note"]) == (1, 4, "letters")
    assert (told["ends"], told["ended_count"], told["retries"]) == ([END], 3, 4)
    assert (told["id"], told["state"], told["seconds"], told["host"]) == (ONE, "running", 5, "ant")
    json.dumps(told, default=str)


def test_the_longest_running_comes_first_and_a_plain_one_is_told_too(queue):
    put(queue, ONE)
    runs = [run(ONE, seconds=1.0), run(TWO, seconds=9.0)]

    told = runs_as_dicts(queue, [make_stat(running=runs)])

    assert [each["id"] for each in told] == [TWO, ONE]


def test_what_is_kept_of_a_waiting_task_is_found(memory):
    put(memory, ONE)
    mark = sign_cancellation(ONE, "anna", 1767323045, "too late")
    memory.cancel_task(ONE, mark)

    found = fetch_unfinished(ONE)

    assert found.cancelled == "cancelled by anna at 2026-01-02 03:04:05 UTC: too late"
    assert list_unfinished()[0].cancelled == found.cancelled
    assert (found.ends, found.ended_count, found.done) == ((), 0, None)


def test_what_somebody_else_has_written_beside_a_task_is_not_shown(memory):
    put(memory, ONE)
    memory.cancel_task(ONE, sign_cancellation(TWO, "anna", 1767323045))
    keep(memory, ONE, attempts=sign_attempts(TWO, ATTEMPTS))
    beat(memory, ONE)

    found = fetch_unfinished(ONE)

    assert (found.cancelled, found.ends, found.ended_count) == ("", (), 0)
