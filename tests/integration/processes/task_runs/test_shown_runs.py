"""What the sentinel answers who asks for the log or the stack of a task that runs."""

from __future__ import annotations

import time

import pytest

from django_q.orders.showing import answer
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.task_runs.shown_runs import ShownRuns
from django_q.task_logs.ring import LogRing
from django_q.task_state.shown import LOG, STACK, answer_key, question_key
from tests.integration.processes.task_runs.test_cancelled_runs import (  # noqa: F401
    TASK_ID,
    begin,
    child,
    signals,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker(make_broker):
    return make_broker("memory")


@pytest.fixture
def table():
    """Make the table in which the pusher writes questions."""
    return OrderTable()


@pytest.fixture
def runs(broker, table):
    return ShownRuns(broker, table)


def ask(runs, table, *kinds, task_id=TASK_ID, posted=200.0):
    """Have a question stand, and answer it."""
    table.write({question_key(kind, task_id): (posted, "asked by anna") for kind in kinds})
    look(runs)


def look(runs):
    """Answer at once, and not only when it is time."""
    runs.due = 0.0
    runs.answer(runs.children)


@pytest.fixture(autouse=True)
def task(child, runs):  # noqa: F811
    """Have a worker run a task, since 5.0."""
    begin(child, 5.0)
    child.log_ring = LogRing(1024)
    runs.children = [child]
    return child


def test_the_log_so_far_is_shown_and_what_is_added_while_the_question_stands(
    runs, table, broker, task
):
    task.log_ring.begin(5.0, time.time(), TASK_ID, 1)
    task.log_ring.write(b"one ")
    ask(runs, table, LOG)
    assert answer(broker, LOG, TASK_ID).text == "one "

    task.log_ring.write(b"two")
    look(runs)

    shown = answer(broker, LOG, TASK_ID)
    assert (shown.text, shown.length, shown.attempt) == ("one two", 7, 1)


def test_what_has_not_changed_is_not_sent_again_unless_it_is_asked_again(
    runs, table, broker, task, monkeypatch
):
    sent = []
    monkeypatch.setattr(broker, "set_stat", lambda *args: sent.append(args))
    task.log_ring.begin(5.0, time.time(), TASK_ID, 1)
    task.log_ring.write(b"one")
    ask(runs, table, LOG)
    look(runs)
    assert len(sent) == 1

    ask(runs, table, LOG, posted=201.0)

    assert len(sent) == 2


def test_a_worker_is_asked_for_its_stack_until_it_has_given_it(
    runs,
    table,
    broker,
    task,
    signals,  # noqa: F811
):
    ask(runs, table, STACK)
    look(runs)
    assert len(signals) == 2
    assert task.slot.wants_stack(5.0)
    assert answer(broker, STACK, TASK_ID) is None

    task.slot.give_stack(5.0, "in a function")
    look(runs)
    look(runs)

    assert answer(broker, STACK, TASK_ID).text == "in a function"
    assert len(signals) == 2
    assert not task.slot.wants_stack(5.0)


def test_the_stack_of_another_task_is_no_answer(runs, table, broker, task):
    ask(runs, table, STACK)
    task.slot.give_stack(5.0, "in a function")
    begin(task, 6.0)

    look(runs)

    assert answer(broker, STACK, TASK_ID) is None


def test_nothing_is_shown_of_tasks_that_nobody_asked_for(runs, table, broker, task, signals):  # noqa: F811
    task.log_ring.begin(5.0, time.time(), TASK_ID, 1)
    ask(runs, table, LOG, STACK, task_id="2" * 32)

    assert answer(broker, LOG, TASK_ID) is None
    assert signals == []


def test_a_broker_that_is_away_keeps_nothing_from_being_answered_later(
    runs, table, broker, task, monkeypatch
):
    def refuse(*args):
        raise ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(broker, "set_stat", refuse)
        task.log_ring.begin(5.0, time.time(), TASK_ID, 1)
        task.log_ring.write(b"one")
        ask(runs, table, LOG)
        assert runs.due > time.monotonic() + 1

    look(runs)

    assert answer(broker, LOG, TASK_ID).text == "one"


def test_what_nobody_has_signed_is_no_answer(broker, caplog):
    broker.set_stat(answer_key(LOG, TASK_ID), "forged", 60)

    assert answer(broker, LOG, TASK_ID) is None
    assert "is ignored" in caplog.text
