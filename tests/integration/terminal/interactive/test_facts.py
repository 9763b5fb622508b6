"""What the interactive monitor reads, and what it says where that fails."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from django_q.brokers import get_broker
from django_q.terminal.interactive import facts as facts_module
from django_q.terminal.interactive.facts import FactsReader
from django_q.terminal.interactive.keys import Pressed
from django_q.terminal.interactive.loop import Session, give, look_up
from django_q.terminal.interactive.state import Order, State
from tests.integration.admin.rows import make_failure
from tests.integration.unfinished.queued import beat
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(make_broker):
    make_broker("memory")
    return FactsReader(get_broker())


def refuse(*args, **kwargs):
    raise OperationalError("the database is away")


def test_a_view_reads_what_it_shows(reader):
    beat(reader.broker, "a" * 32, queue="mail")
    make_failure(fingerprint="d" * 32)

    assert [run.id for run in reader.read("running").runs] == ["a" * 32]
    assert reader.facts.queues is None
    assert [queue.name for queue in reader.read("queues").queues] == ["mail", "test"]
    assert [kind.count for kind in reader.read("failures").kinds] == [1]
    assert reader.read("clusters").figures.failures == 1
    assert reader.facts.error == ""


def test_tasks_of_a_predecessor_that_tells_less_are_shown(reader):
    beat(reader.broker, running=[], current=[(7, "four-words", "shop.send", 61.0)])

    (run,) = reader.read("running").runs

    assert (run.name, run.func, run.seconds, run.id) == ("four-words", "shop.send", 61.0, "")
    assert run.worker == "ant:7"


def test_what_can_not_be_read_is_said_and_the_rest_stays(reader, monkeypatch):
    beat(reader.broker, "a" * 32)
    reader.read("queues")
    monkeypatch.setattr(facts_module, "find_kinds", refuse)

    facts = reader.read("failures")
    assert facts.error == "OperationalError: the database is away"
    assert len(facts.runs) == len(facts.queues) == 1

    monkeypatch.setattr(type(reader.broker), "get_stats", refuse)
    assert reader.read("running").error.startswith("Can not connect to the broker.")
    assert len(reader.facts.runs) == 1

    monkeypatch.undo()
    assert reader.read("failures").error == ""


def test_an_order_or_details_that_fail_are_a_message():
    message = give(Order("Really?", refuse))

    assert (message.text, message.is_error) == ("OperationalError: the database is away", True)
    assert look_up(Pressed(State(), look=refuse)) == ("OperationalError: the database is away",)


def test_a_view_is_read_at_once_when_it_is_switched_to(reader):
    session = Session(reader)
    session.step(0.0)
    wait_until(session.reading.done)
    session.step(0.1)
    assert session.reading is None  # the next is due in a second

    session.press("3")
    session.step(0.2)

    assert session.reading is not None
    wait_until(session.reading.done)
    session.close()
    wait_until(lambda: not any(caller.thread.is_alive() for caller in session.callers))
