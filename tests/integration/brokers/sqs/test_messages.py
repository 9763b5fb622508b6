"""Messages of Amazon SQS, and their attributes."""

from __future__ import annotations

import pytest

from django_q.brokers.base import Delivery
from django_q.brokers.sqs import broker as aws_sqs
from tests.integration.brokers.deliveries import payloads


@pytest.mark.parametrize(
    ("delay", "received", "attempt"),
    [(None, 1, 1), (None, 3, 3), (901, 2, 1), (44100, 2, 1), (44101, 3, 1), (44101, 4, 2)],
)
def test_to_be_received_too_early_is_no_attempt(message, delay, received, attempt):
    assert aws_sqs.delivery_from_message(message(received, delay)).attempt == attempt


def test_a_message_tells_when_it_is_due(message):
    assert aws_sqs.seconds_until_due(message(sent=1_000), 900) == 0
    assert aws_sqs.seconds_until_due(message(sent=1_000, delay=2_000), 1_900) == 1_100
    assert aws_sqs.seconds_until_due(message(sent=1_000, delay=900_000), 1_900) == 43_200


#: What anybody who reaches the queue can send along with a message: attributes named "delay".
JUNK = {
    "a word": {"DataType": "String", "StringValue": "soon"},
    "nothing but spaces": {"DataType": "String", "StringValue": "   "},
    "a fraction": {"DataType": "Number", "StringValue": "12.5"},
    "a negative number": {"DataType": "Number", "StringValue": "-1000"},
    "other digits": {"DataType": "String", "StringValue": "\u0661\u0662"},
    "more digits than Python reads": {"DataType": "String", "StringValue": "9" * 5000},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\xff"},
}


def test_a_message_with_attributes_that_can_not_be_read_holds_up_no_other(broker):
    for kind, attribute in JUNK.items():
        broker.connection.send_message(
            QueueUrl=broker.queue_url, MessageBody=kind, MessageAttributes={"delay": attribute}
        )
    broker.enqueue("good")

    taken = broker.dequeue(10, wait=0)

    assert sorted(payloads(taken)) == sorted([*JUNK, "good"])
    assert {delivery.attempt for delivery in taken} == {1}


@pytest.mark.parametrize(
    "changes",
    [
        {"Attributes": None},
        {"Attributes": {"SentTimestamp": "yesterday", "ApproximateReceiveCount": "often"}},
        {"Attributes": {"SentTimestamp": None, "ApproximateReceiveCount": []}},
        {"MessageAttributes": "none"},
        {"MessageAttributes": {"delay": None}},
        {"MessageAttributes": {"delay": {"StringValue": 5000}}},
    ],
)
def test_attributes_that_can_not_be_read_count_as_none(message, changes):
    strange = message() | changes

    assert aws_sqs.seconds_until_due(strange, 900) == 0
    assert aws_sqs.delivery_from_message(strange) == Delivery("receipt", "body", 1)
