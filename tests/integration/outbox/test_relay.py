"""What relays do with the rows that are left in the outbox."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, connections, transaction

from django_q.brokers.redis.broker import Redis
from django_q.calls.producer import settle_duplicate
from django_q.outbox import relay as relay_module
from django_q.outbox.relay import RELAY_INTERVAL, Relay
from django_q.outbox.rows import add_rows, make_rows, outbox_rows
from django_q.tasks import async_task
from tests.faults.proxy import Mode
from tests.outboxes import kept_ids, marks, on_both_databases, queued_ids, relay_all
from tests.tasks import echo

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("outbox")]


def keep(*options: dict[str, Any], wait: float = -1) -> list[str]:
    """Have the outbox keep tasks, as a process leaves them that has died after its commit."""
    ids = []
    for each in options:
        with transaction.atomic():
            ids.append(async_task(echo, q_options=each))
            connection.run_on_commit.clear()
    if wait <= 0:
        outbox_rows().update(due="2000-01-01T00:00:00Z")
    return ids


def test_a_task_whose_process_has_died_is_pushed_and_forgotten_later(broker):
    ids = keep({}, {"priority": 5}, {})

    assert Relay(settle_duplicate).run() == RELAY_INTERVAL

    assert sorted(queued_ids(broker)) == sorted(ids)
    assert kept_ids() == []
    # The process may have been suspended only, and push when it goes on.
    assert marks(broker) == 3
    assert all(
        0 < broker.connection.ttl(key) <= 3600 for key in broker.connection.scan_iter("*:once:*")
    )


def test_a_task_is_left_to_its_own_process_for_two_seconds(broker):
    ids = keep({}, wait=2)

    Relay(settle_duplicate).run()

    assert kept_ids() == ids
    assert queued_ids(broker) == []


@on_both_databases
def test_a_process_that_goes_on_after_a_relay_has_pushed_enqueues_nothing(broker, outbox):
    with transaction.atomic(using=outbox):
        task_id = async_task(echo)
        (_, push, *_), *others = connections[outbox].run_on_commit
        connections[outbox].run_on_commit.clear()
    assert kept_ids() == [task_id]
    assert others == []
    relay_all()

    push()

    assert queued_ids(broker) == [task_id]


@on_both_databases
def test_relays_at_the_same_time_push_each_task_once(broker, outbox):
    with transaction.atomic(using=outbox):
        ids = [async_task(echo) for _ in range(300)]
        connections[outbox].run_on_commit.clear()
    outbox_rows().update(due="2000-01-01T00:00:00Z")

    def run() -> None:
        relay = Relay(settle_duplicate)
        while kept_ids():
            relay.run()
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(queued_ids(broker)) == sorted(ids)


def test_a_queue_that_takes_nothing_is_asked_less_and_less_often(network, caplog):
    ids = keep({}, {})
    relay = Relay(settle_duplicate)

    with network.failing(Mode.REFUSE):
        pauses = []
        for _ in range(7):
            outbox_rows().update(due="2000-01-01T00:00:00Z")
            relay.run()
            outage = relay.outages["django_q:test:q"]
            pauses.append(outage.pause)
            outage.until = 0.0  # its pause is over

    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert kept_ids() == ids
    assert caplog.text.count("tasks wait in the outbox") == 1


def test_an_end_of_an_outage_is_logged(broker, network, caplog):
    caplog.set_level("INFO")
    ids = keep({})
    relay = Relay(settle_duplicate)
    with network.failing(Mode.REFUSE):
        relay.run()
    relay.outages["django_q:test:q"].until = 0.0

    outbox_rows().update(due="2000-01-01T00:00:00Z")
    relay.run()

    assert queued_ids(broker) == ids
    assert caplog.text.count("takes tasks of the outbox again") == 1


@pytest.mark.parametrize("kind", [ValueError, SystemExit])
def test_a_task_that_can_not_be_pushed_keeps_no_other(broker, monkeypatch, caplog, kind):
    one, bad, other = keep({}, {}, {})
    bad_key = outbox_rows().get(task_id=bad).key
    enqueue = Redis.enqueue_many_once

    def refuse_one(self: Redis, tasks: Any) -> list:
        tasks = list(tasks)
        if any(key == bad_key for key, *_ in tasks):
            raise kind("it is too odd")
        return enqueue(self, tasks)

    monkeypatch.setattr(Redis, "enqueue_many_once", refuse_one)
    Relay(settle_duplicate).run()

    assert queued_ids(broker) == [one, other]
    assert kept_ids() == [bad]
    assert f"task {bad} of the outbox can not be pushed, trying again in 4 seconds" in caplog.text


def test_tasks_for_several_queues_go_to_each(broker):
    keep({"cluster": "test"}, {"cluster": "test2"})

    Relay(settle_duplicate).run()

    assert [len(queued_ids(Redis(name))) for name in ("test", "test2")] == [1, 1]


def test_a_delay_is_counted_from_the_call(broker):
    keep({"run_after": 30}, {"run_after": 3000})
    outbox_rows().update(created="2000-01-01T00:00:00Z")

    relay_all()

    assert broker.count_tasks().waiting == 2


def test_an_outbox_without_its_table_is_logged_once_and_looked_at_less_often(caplog):
    relay = Relay(settle_duplicate)
    rename = "ALTER TABLE {} RENAME TO {}"
    connection.cursor().execute(rename.format("django_q_outboxtask", "later"))
    try:
        assert [relay.run() for _ in range(3)] == [1, 2, 4]
    finally:
        connection.cursor().execute(rename.format("later", "django_q_outboxtask"))

    assert caplog.text.count("the outbox in 'default' can not be relayed") == 1
    assert "run manage.py migrate" in caplog.text
    assert relay.run() == RELAY_INTERVAL


def test_a_full_batch_is_followed_by_the_next_at_once(broker, monkeypatch):
    monkeypatch.setattr(relay_module, "RELAY_BATCH_SIZE", 2)
    keep({}, {}, {})
    relay = Relay(settle_duplicate)

    assert relay.run_if_due() == 0
    assert 0 < relay.run_if_due() <= RELAY_INTERVAL


@on_both_databases
def test_rows_of_a_queue_are_pushed_in_the_order_of_their_calls(broker, outbox):
    for numbers in ([0], [1, 2, 3], [4]):
        tasks = [(f"payload-{n}", None, str(n)) for n in numbers]
        add_rows(make_rows(broker.list_key, tasks), -1)

    relay_all()

    found = [task.payload for task in broker.list_tasks()]
    assert found == [f"payload-{n}".encode() for n in range(5)]
