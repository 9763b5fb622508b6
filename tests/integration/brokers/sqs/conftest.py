"""The broker on Amazon SQS, and messages of its queue."""

from __future__ import annotations

import pytest


@pytest.fixture
def broker(make_broker, conf):
    """The SQS broker; its leases are of whole seconds."""
    conf(retry=30)
    return make_broker("sqs")


@pytest.fixture
def message():
    """Make what the service gives: a message that was received so many times."""

    def make(received=1, delay=None, sent=1_000_000):
        attributes = {"ApproximateReceiveCount": str(received), "SentTimestamp": str(sent * 1000)}
        message = {"ReceiptHandle": "receipt", "Body": "body", "Attributes": attributes}
        if delay:
            message["MessageAttributes"] = {"delay": {"StringValue": str(delay)}}
        return message

    return make
