"""A monitor tells what has ended while somebody waits, and fails no task over it."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection

from django_q.brokers.contract.result_channel import mark_of
from django_q.brokers.redis.connections.result_channel import RedisResultChannel
from django_q.processes.monitor import MonitorLoop
from django_q.queues import STOP, Queue
from django_q.results.pruning import WaitedFor
from django_q.results.waiting.telling import ResultTeller
from tests.integration.results.finished_packages import finished
from tests.told import AllIn
from tests.waiting import wait_until


def test_nothing_is_told_for_a_second_where_nobody_waits(broker):
    teller = ResultTeller(broker, WaitedFor.record)
    teller.tell([finished()])
    assert 0 < teller.next_time - time.monotonic() <= 1
    subscription = RedisResultChannel().subscribe()

    teller.tell([finished()])
    teller.next_time = 0.0  # the second is over
    teller.tell([package := finished(group="pairs")])

    read: set[str] = set()
    wait_until(lambda: read.update(subscription.read()) or read)
    assert read == {mark_of(name) for name in (package["id"], package["name"], "pairs")}
    assert teller.next_time == 0.0
    assert WaitedFor.until > time.monotonic()  # what has just ended is not pruned
    subscription.close()


@pytest.fixture
def read():
    """Give what has been told, by a subscription that reads whenever it is called."""
    subscription, marks = RedisResultChannel().subscribe(), set()
    yield lambda: marks.update(subscription.read()) or marks
    subscription.close()


def test_messages_are_put_together_while_results_come_fast(broker, read):
    teller = ResultTeller(broker)
    teller.told_at = time.monotonic() + 60  # a moment ago, for as long as this takes

    teller.tell([finished(group="held")], lambda: False)
    assert (mark_of("held") in teller.held_marks, read()) == (True, set())
    teller.tell([finished(group="urgent")])

    wait_until(lambda: {mark_of("held"), mark_of("urgent")} <= read())
    assert teller.held_marks == set()


@pytest.mark.parametrize("is_last", [False, True])
def test_a_monitor_that_has_nothing_to_do_tells_what_it_holds(broker, read, is_last):
    results = Queue()
    loop = MonitorLoop(results, broker)
    loop.teller.held_marks = {mark_of("held")}
    if is_last:
        results.put(STOP)
    thread = threading.Thread(target=loop.run)
    thread.start()

    wait_until(lambda: read() == {mark_of("held")})

    results.put(STOP)
    thread.join()


def test_a_server_that_is_away_costs_a_line_in_the_log(broker, conf, caplog):
    teller = ResultTeller(broker)
    conf(redis="redis://127.0.0.1:1/0")

    for _ in range(3):
        teller.next_time = 0.0
        teller.tell([finished()])

    assert len(caplog.messages) == 1
    assert teller.next_time > time.monotonic() + 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("broker", ["orm"], indirect=True)
def test_nobody_tells_where_the_file_of_the_database_does(broker):
    is_told = connection.vendor == "postgresql"  # where the suite runs there

    assert (ResultTeller(broker).channel is not None) == is_told


@pytest.mark.parametrize("broker", ["custom", "sqs"], indirect=True)
def test_results_are_told_of_by_the_database_where_the_broker_has_no_way(
    broker, settings, postgres
):

    settings.DATABASE_ROUTERS = [AllIn(postgres)]

    assert ResultTeller(broker).channel.alias == postgres
