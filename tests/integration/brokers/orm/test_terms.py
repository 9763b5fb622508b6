"""Tasks with terms in the table: one of each unique key, whoever else takes and deletes rows."""

from __future__ import annotations

import pickle
import threading
import time
from hashlib import md5

import pytest
from django.db import connections, transaction

from django_q.brokers.terms import Enqueued, Terms
from django_q.models import TaskKey
from tests.integration.brokers.deliveries import payloads
from tests.integration.brokers.orm.databases import on_each
from tests.integration.brokers.orm.term_tasks import KEY, OTHER_KEY, add, all_rows, let_pass, take


@pytest.fixture(autouse=True)
def without_keys(broker):
    TaskKey.objects.using(broker.alias).all().delete()


@on_each
def test_a_task_of_a_key_that_another_has_is_not_added(broker):
    assert add(broker, "a", unique=KEY) == Enqueued("a")
    assert add(broker, "other", unique=OTHER_KEY).is_new

    found = add(broker, "b", unique=KEY)

    assert found[:2] == ("a", False)
    assert broker.find_duplicate(Terms("c", unique=KEY)) == found
    assert payloads(take(broker)) == ["a", "other"]
    assert add(broker, "b", unique=KEY) == Enqueued("a", is_new=False)


@on_each
@pytest.mark.parametrize("end", ["acknowledge", "fail", "delete"])
def test_a_key_is_free_when_its_task_has_ended(broker, end):
    add(broker, "a", unique=KEY)
    (delivery,) = take(broker)

    getattr(broker, end)(delivery.ack_id)

    assert add(broker, "b", unique=KEY) == Enqueued("b")
    assert broker.acknowledge(delivery.ack_id) is False


@on_each
def test_a_dead_letter_has_neither_key_nor_id(broker):
    add(broker, "a", unique=KEY)
    (delivery,) = take(broker)

    broker.move_to_dead_letters(delivery.ack_id, delivery.payload)

    (row,) = all_rows(broker)
    assert (row.key, row.unique_digest, row.tracked_id) == ("test:dead", None, None)
    assert (broker.dead_size(), broker.find("a")) == (1, None)
    assert add(broker, "b", unique=KEY).is_new


@on_each
def test_plain_and_unique_tasks_are_acknowledged_together(broker):
    broker.enqueue("plain")
    add(broker, "a", unique=KEY)
    add(broker, "tracked")
    ack_ids = [each.ack_id for each in take(broker)]

    assert len(ack_ids) == 3
    assert broker.acknowledge_many([*ack_ids, "999.1"]) == {"999.1"}
    assert all_rows(broker).count() == 0


@on_each
def test_a_successor_waits_until_the_task_before_it_has_ended(broker):
    add(broker, "a", unique=KEY)
    (delivery,) = take(broker)

    assert add(broker, "b", unique=KEY, is_successor=True) == Enqueued("b")
    assert add(broker, "c", unique=KEY, is_successor=True)[:2] == ("b", False)
    assert (take(broker), broker.queue_size(), broker.lock_size()) == ([], 0, 2)
    assert add(broker, "d", unique=KEY, is_successor=True)[:2] == ("b", False)
    broker.acknowledge(delivery.ack_id)

    (second,) = take(broker)
    assert (second.payload, second.attempt) == ("b", 1)
    assert add(broker, "e", unique=KEY) == Enqueued("b", is_new=False)
    assert broker.acknowledge(second.ack_id) is True
    assert add(broker, "f", unique=KEY).is_new


@on_each
def test_a_successor_takes_no_place_in_a_batch_while_it_waits(broker):
    add(broker, "a", unique=KEY)
    take(broker)
    add(broker, "b", unique=KEY, is_successor=True, priority=5)
    broker.enqueue("c")

    assert payloads(take(broker, 1)) == ["c"]


@on_each
def test_a_successor_with_a_delay_keeps_it_when_the_task_before_has_ended(broker):
    add(broker, "a", unique=KEY)
    (delivery,) = take(broker)
    add(broker, "b", unique=KEY, is_successor=True, delay=20)

    broker.acknowledge(delivery.ack_id)

    assert take(broker) == []
    let_pass(broker, 20)
    assert payloads(take(broker)) == ["b"]


@on_each
def test_a_successor_begins_where_another_release_has_deleted_the_row_before_it(broker):
    add(broker, "a", unique=KEY)
    take(broker)
    add(broker, "b", unique=KEY, is_successor=True)
    assert take(broker) == []
    all_rows(broker).filter(payload="a").delete()  # as django-q2 does

    let_pass(broker, 30)  # until the lease of the first would have ended

    (delivery,) = take(broker)
    assert (delivery.payload, delivery.attempt) == ("b", 1)
    assert add(broker, "c", unique=KEY) == Enqueued("b", is_new=False)
    broker.acknowledge(delivery.ack_id)
    assert add(broker, "c", unique=KEY).is_new


@on_each
def test_a_task_that_lost_its_lease_comes_before_its_successor(broker):
    add(broker, "a", unique=KEY)
    take(broker)
    add(broker, "b", unique=KEY, is_successor=True, priority=50)
    let_pass(broker, 30)

    (delivery,) = take(broker)

    assert (delivery.payload, delivery.attempt) == ("a", 2)
    broker.acknowledge(delivery.ack_id)
    assert payloads(take(broker)) == ["b"]


@on_each
def test_a_waiting_task_is_replaced_once(broker):
    add(broker, "a", unique=KEY, expires_in=5)
    found = add(broker, "b", unique=KEY)
    terms = Terms("a", unique=KEY, delay=20, priority=7)

    assert broker.replace_task(found.version, "second", terms) is True
    assert broker.replace_task(found.version, "third", terms) is False
    assert take(broker) == []
    let_pass(broker, 20)

    (delivery,) = take(broker)
    assert (delivery.payload, delivery.attempt, delivery.expires_in) == ("second", 1, None)
    assert broker.replace_task(found.version, "third", terms) is False


@on_each
def test_a_task_is_not_replaced_once_it_was_taken(broker):
    add(broker, "a", unique=KEY)
    version = add(broker, "b", unique=KEY).version
    (delivery,) = take(broker)

    assert broker.replace_task(version, "second", Terms("a", unique=KEY)) is False
    broker.release([delivery.ack_id], delay=20)
    version = add(broker, "b", unique=KEY).version
    assert broker.replace_task(version, "second", Terms("a", unique=KEY)) is True

    (delivery,) = take(broker)
    assert (delivery.payload, delivery.attempt) == ("second", 1)


@on_each
@pytest.mark.parametrize("seconds", [29, 31])
def test_a_unique_key_is_taken_for_a_time_after_the_end(broker, seconds):
    add(broker, "a", unique=KEY, unique_for=30)
    broker.acknowledge(take(broker)[0].ack_id)

    let_pass(broker, seconds)

    expected = Enqueued("b") if seconds > 30 else Enqueued("a", is_new=False)
    assert add(broker, "b", unique=KEY) == expected


@on_each
def test_an_idempotency_key_gives_the_first_id_until_it_expires(broker):
    assert add(broker, "a", idempotency=KEY, idempotency_for=30).is_new
    broker.acknowledge(take(broker)[0].ack_id)

    assert add(broker, "b", idempotency=KEY, idempotency_for=30) == Enqueued("a", is_new=False)
    assert broker.find_duplicate(Terms("b", idempotency=KEY)) == Enqueued("a", is_new=False)
    let_pass(broker, 30)
    assert add(broker, "b", idempotency=KEY, idempotency_for=30).is_new
    assert payloads(take(broker)) == ["b"]


@on_each
def test_an_idempotency_key_is_not_kept_for_a_task_that_was_not_added(broker):
    add(broker, "a", unique=KEY)

    assert not add(broker, "b", unique=KEY, idempotency=OTHER_KEY, idempotency_for=30).is_new

    assert add(broker, "c", idempotency=OTHER_KEY, idempotency_for=30).is_new


@on_each
def test_a_batch_is_added_whole_or_not_at_all(broker):
    tasks = [("a", Terms("a", unique=KEY)), ("b", Terms("b", unique=KEY)), ("c", Terms("c"))]

    found = broker.enqueue_tasks(tasks)

    assert [each[:2] for each in found] == [("a", True), ("a", False), ("c", True)]
    with pytest.raises(TypeError):
        broker.enqueue_tasks([("d", Terms("d", unique=OTHER_KEY)), ("e", Terms("e", delay="soon"))])
    assert payloads(take(broker)) == ["a", "c"]
    assert broker.enqueue_tasks([]) == []


@on_each
def test_many_tasks_with_terms_are_added_at_once(broker):
    tasks = [(str(n), Terms(str(n), priority=n % 3)) for n in range(300)]

    assert all(each.is_new for each in broker.enqueue_tasks(iter(tasks)))

    taken = payloads(take(broker, 300))
    assert taken == sorted(map(str, range(300)), key=lambda each: (-(int(each) % 3), int(each)))


@on_each
def test_a_key_of_enqueue_once_adds_one_task_with_terms(broker):
    add(broker, "a", unique=KEY)

    assert broker.enqueue_once("b", "once", Terms("b", priority=3)) is True
    assert broker.enqueue_once("c", "once", Terms("c")) is False
    assert broker.enqueue_once("d", "other", Terms("d", unique=KEY)) is False
    assert payloads(take(broker)) == ["b", "a"]


@on_each
def test_seconds_to_the_expiry_are_delivered(broker):
    add(broker, "a", expires_in=20)
    add(broker, "b", expires_at=time.time() + 500)
    add(broker, "c", expires_in=-5)
    add(broker, "d")

    left = [each.expires_in for each in take(broker)]

    assert 0 < left[0] <= 20
    assert 400 < left[1] < 600
    assert -60 < left[2] <= -5
    assert left[3] is None


@on_each
def test_a_task_is_due_at_its_time(broker):
    add(broker, "later", due_at=time.time() + 3600)
    add(broker, "past", due_at=time.time() - 3600)
    add(broker, "delayed", delay=20)

    assert payloads(take(broker)) == ["past"]
    assert broker.find("past").due == pytest.approx(time.time() + 30, abs=10)
    assert broker.find("later").due == pytest.approx(time.time() + 3600, abs=10)
    let_pass(broker, 20)
    assert payloads(take(broker)) == ["delayed"]


@on_each
def test_expired_keys_are_cleared_in_parts(broker):
    for name in ("a", "b", "c"):
        add(broker, name, idempotency=md5(name.encode()).hexdigest(), idempotency_for=10)
    add(broker, "d", idempotency=KEY, idempotency_for=100)
    let_pass(broker, 20)

    assert [broker.clear_expired_keys(2) for _ in range(3)] == [2, 1, 0]
    assert not add(broker, "e", idempotency=KEY, idempotency_for=10).is_new


@on_each
def test_the_second_of_two_open_transactions_waits_for_the_first(broker):
    if connections[broker.alias].vendor == "sqlite":
        pytest.skip("it has one transaction at a time that writes")
    found, peer = [], pickle.loads(pickle.dumps(broker))

    def second():
        try:
            found.append(add(peer, "b", unique=KEY))
        finally:
            connections[broker.alias].close()

    thread = threading.Thread(target=second)
    with transaction.atomic(broker.alias):
        assert add(broker, "a", unique=KEY).is_new
        thread.start()
        thread.join(0.3)
        assert found == []
    thread.join(30)

    assert [each[:2] for each in found] == [("a", False)]


@on_each
def test_queues_have_keys_of_their_own(broker):
    add(broker, "a", unique=KEY)
    other = type(broker)("other")

    assert add(other, "a", unique=KEY).is_new
    assert other.delete_queue() == 1
    other.close()


@on_each
def test_an_emptied_queue_leaves_no_key(broker):
    add(broker, "a", unique=KEY)
    take(broker)
    add(broker, "b", unique=KEY, is_successor=True)

    assert broker.purge_queue() == 1
    assert broker.delete_queue() == 1
    assert add(broker, "c", unique=KEY).is_new
    assert broker.purge_queue() == 1
