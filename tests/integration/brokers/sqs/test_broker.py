"""What is particular to the broker on Amazon SQS; moto stands in for the service."""

from __future__ import annotations

import queue

import pytest
from botocore.exceptions import EndpointConnectionError
from django.utils import timezone

from django_q.brokers import get_broker
from django_q.brokers.base import Delivery
from django_q.brokers.sqs import broker as aws_sqs
from django_q.exceptions import BrokerUnavailable
from django_q.models import Success
from django_q.processes.monitor import monitor
from django_q.queues import STOP
from django_q.signing import SignedPackage
from django_q.tasks import async_task
from tests.integration.brokers.deliveries import payloads


def result_of(delivery):
    """Make what a worker puts out when it has run a task."""
    package = SignedPackage.loads(delivery.payload)
    package |= {"ack_id": delivery.ack_id, "attempt": 1, "success": True, "result": None}
    return {**package, "stopped": timezone.now()}


def test_ten_are_taken_at_a_time(broker):
    broker.enqueue_many(str(n) for n in range(25))

    taken = [broker.dequeue(100, wait=0) for _ in range(4)]

    assert [len(deliveries) for deliveries in taken] == [10, 10, 5, 0]
    assert (broker.queue_size(), broker.lock_size()) == (0, 25)
    assert broker.acknowledge_many([d.ack_id for part in taken for d in part]) == set()
    assert broker.lock_size() == 0


def test_a_batch_is_no_larger_than_a_request_may_be():
    bodies = ["a" * 100_000, "b" * 100_000, "c" * 100_000, *["d"] * 12, "e" * 300_000]

    batches = list(aws_sqs.batches(bodies))

    assert [len(batch) for batch in batches] == [2, 10, 3, 1]
    assert [body for batch in batches for body in batch] == bodies


def test_a_released_message_comes_again_and_has_counted(broker):
    broker.enqueue("a")
    (delivery,) = broker.dequeue(wait=0)

    assert broker.release([delivery.ack_id], count=False) == set()

    (again,) = broker.dequeue(wait=20)
    assert again.attempt == 2


def test_a_release_can_be_for_later(broker):
    broker.enqueue("a")
    (delivery,) = broker.dequeue(wait=0)

    broker.release([delivery.ack_id], delay=2)

    assert broker.dequeue(wait=0) == []
    assert payloads(broker.dequeue(wait=20)) == ["a"]


def test_a_delayed_message_comes_when_it_is_due(broker):
    broker.enqueue("later", delay=2)

    assert broker.lock_size() == 1
    assert broker.dequeue(wait=0) == []
    (delivery,) = broker.dequeue(wait=20)
    assert (delivery.payload, delivery.attempt) == ("later", 1)


def test_a_delay_longer_than_the_service_knows_is_put_together(broker, monkeypatch):
    monkeypatch.setattr(aws_sqs, "MAX_DELAY_SECONDS", 1)
    monkeypatch.setattr(aws_sqs, "MAX_LEASE_SECONDS", 3)
    broker.enqueue("later", delay=4)

    assert broker.dequeue(wait=2) == []
    (delivery,) = broker.dequeue(wait=20)

    assert (delivery.payload, delivery.attempt) == ("later", 1)


def test_each_message_of_a_reply_is_judged_alone(broker, message, monkeypatch):
    strange = [message() | {"ReceiptHandle": None}, message() | {"Body": None}, "no message at all"]
    early = message(sent=4_000_000_000, delay=5000)
    reply = {"Messages": [*strange, early, message()], "ResponseMetadata": {}}
    monkeypatch.setattr(broker.connection, "receive_message", lambda **options: reply)

    taken = broker.dequeue(10, wait=0)

    assert taken == [Delivery("receipt", "", 1), Delivery("receipt", "body", 1)]


def test_an_empty_message_is_buried_though_the_service_keeps_none(broker):
    broker.enqueue("a")
    (delivery,) = broker.dequeue(wait=0)

    broker.move_to_dead_letters(delivery.ack_id, "")

    assert broker.lock_size() == 0


def test_a_message_can_be_buried(broker):
    broker.enqueue("a")
    (delivery,) = broker.dequeue(wait=0)

    broker.move_to_dead_letters(delivery.ack_id, delivery.payload)

    assert (broker.dead_size(), broker.lock_size()) == (1, 0)
    broker.connection.delete_queue(QueueUrl=broker.dead_url)


def test_a_message_that_is_gone_makes_its_receipt_stale(broker):
    broker.enqueue_many("ab")
    first, second = [d.ack_id for d in broker.dequeue(9, wait=0)]
    broker.acknowledge(first)

    assert broker.extend([first, second], 10) == {first}


def test_a_queue_is_purged(broker):
    broker.enqueue("a")

    broker.purge_queue()

    assert broker.queue_size() == 0


def test_what_a_request_has_not_done_is_tried_again(broker, monkeypatch):
    replies = iter(
        [
            {"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "SenderFault": False}]},
            {"Successful": [{"Id": "1"}]},
        ]
    )
    sent = []

    def request(QueueUrl, Entries):
        sent.append([entry["Id"] for entry in Entries])
        return next(replies)

    monkeypatch.setattr(broker.connection, "delete_message_batch", request, raising=False)

    assert broker.acknowledge_many(["a", "b"]) == set()
    assert sent == [["0", "1"], ["1"]]


def test_what_the_service_does_not_do_is_an_error(broker, monkeypatch):
    def request(QueueUrl, Entries):
        return {"Failed": [{"Id": entry["Id"], "SenderFault": False} for entry in Entries]}

    monkeypatch.setattr(broker.connection, "delete_message_batch", request, raising=False)

    with pytest.raises(BrokerUnavailable, match="delete_message_batch"):
        broker.acknowledge("a")


@pytest.mark.django_db(transaction=True)
def test_results_wait_while_the_service_is_away(broker, monkeypatch):
    monkeypatch.setattr("django_q.processes.monitor.COMPLETION_BACKOFF_SECONDS", (0.001, 0.001))
    async_task("tests.tasks.echo", broker=broker)
    (delivery,) = broker.dequeue(wait=0)
    results = queue.Queue()
    for item in (result_of(delivery), STOP):
        results.put(item)
    outages = iter(range(10))
    delete = broker.connection.delete_message_batch

    def request(**arguments):
        if next(outages, None) is not None:
            raise EndpointConnectionError(endpoint_url="https://sqs.example")
        return delete(**arguments)

    monkeypatch.setattr(broker.connection, "delete_message_batch", request, raising=False)
    monitor(results, broker)

    assert Success.objects.count() == 1
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


def test_a_refused_message_is_an_error(broker, monkeypatch):
    def request(QueueUrl, Entries):
        return {"Failed": [{"Id": entry["Id"], "SenderFault": True} for entry in Entries]}

    monkeypatch.setattr(broker.connection, "send_message_batch", request, raising=False)

    with pytest.raises(BrokerUnavailable, match="refused"):
        broker.enqueue_many(["a"])


def test_boto3_is_asked_for_when_it_is_missing(conf, monkeypatch):
    conf(sqs={"aws_region": "eu-west-1"})
    monkeypatch.setattr(aws_sqs, "boto3", None)

    with pytest.raises(Exception, match="needs boto3"):
        get_broker().enqueue("a")


def test_the_settings_say_how_long_a_request_waits(conf):
    conf(sqs={"receive_message_wait_time_seconds": 20})

    assert aws_sqs.long_poll_seconds() == 20
