"""The queue in Amazon SQS: its visibility time-out is the lease."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from math import ceil
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_q.brokers.base import Broker, Delivery
from django_q.brokers.sqs.messages import (
    has_receipt,
    message_field,
    parse_whole_number,
    server_time,
)
from django_q.conf import Conf, logger
from django_q.descriptor_wait import wait_until_readable
from django_q.exceptions import BrokerUnavailable, error_summary
from django_q.foreign_code.optional_packages import optional

boto3 = optional("boto3")
botocore_config = optional("botocore.config")
botocore_exceptions = optional("botocore.exceptions")

#: Messages in one request, and bytes, less what the envelope may take.
MAX_BATCH_MESSAGES, MAX_REQUEST_BYTES = 10, 240 * 1024
#: Seconds that a message can be delayed when it is sent, and when it is received.
MAX_DELAY_SECONDS, MAX_LEASE_SECONDS = 900, 43200
#: Seconds of one request that waits for a message, unless the settings say otherwise: a stop
#: may take as long as well.
LONG_POLL_SECONDS = 2
#: Attempts at what a batch request has not done for a reason that may pass.
MAX_REQUEST_ATTEMPTS = 3
#: What is said of an address without quoting it, as errors of connections do.
INVALID_ENDPOINT_TEXT = (
    "Q_CLUSTER['sqs']['endpoint_url'] must be like 'https://host:port', and nothing more."
)
#: Name of the attribute of a message that says by how many seconds it was delayed.
DELAY_ATTRIBUTE = "delay"
#: What is asked of each message.
RECEIVE_ATTRIBUTES = {
    "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
    "MessageAttributeNames": [DELAY_ATTRIBUTE],
}


class Sqs(Broker):
    """A queue in Amazon SQS, made when it is not there.

    The service can not tell whether a receipt is stale unless the message is gone, counts a
    delivery that was handed back as an attempt, and leases for 12 hours at most. Heartbeats are
    kept in the database.
    """

    max_batch = MAX_BATCH_MESSAGES
    receipt_pattern = r"(?s).+"

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What is raised when the service does not answer."""
        own = (botocore_exceptions.BotoCoreError,) if botocore_exceptions else ()
        return (*super().errors, *own)

    @cached_property
    def queue_url(self) -> str:
        """Where the queue is."""
        return self._make_queue(self.list_key)

    @cached_property
    def dead_url(self) -> str:
        """Where the queue of buried payloads is."""
        return self._make_queue(f"{self.list_key}-dead")

    def get_queue(self) -> Any:
        """Give the queue as a resource of boto3, as django-q2 does."""
        return connect("resource").Queue(self.queue_url)

    def _make_queue(self, name: str) -> str:
        """Find or make a queue. Returns its URL."""
        client = self.connection
        try:
            return client.get_queue_url(QueueName=name)["QueueUrl"]
        except client.exceptions.QueueDoesNotExist:
            return client.create_queue(QueueName=name)["QueueUrl"]

    def enqueue(self, payload: str | bytes, delay: float = 0) -> str:
        """Send a message; returns its id."""
        message = {"MessageBody": payload_text(payload), **delay_options(delay)}
        return self.connection.send_message(QueueUrl=self.queue_url, **message)["MessageId"]

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list[str]:
        """Send messages, ten in a request.

        When a request fails, those before it were sent: the service knows no transaction.
        """
        sent = []
        for batch in batches([payload_text(payload) for payload in payloads]):
            messages = [{"MessageBody": body} for body in batch]
            done, refused = self._batch_request("send_message_batch", messages)
            if refused:
                raise BrokerUnavailable(f"Amazon SQS refused a message: {refused}")
            sent += [done[number]["MessageId"] for number in range(len(batch))]
        return sent

    def dequeue(self, limit: int = 1, wait: float | None = None) -> list[Delivery]:
        """Take deliveries, ten at most; see ``Broker.dequeue``. It waits for whole seconds."""
        end = self.wait_deadline(wait)
        while True:
            left = end - time.monotonic()
            deliveries = self._receive(min(limit, MAX_BATCH_MESSAGES), left)
            if deliveries or left <= 0 or wait_until_readable([self.wake_fd], 0):
                return deliveries

    def _receive(self, limit: int, wait: float) -> list[Delivery]:
        """Receive messages, and send those back into the dark that are not due yet."""
        reply = self.connection.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=max(0, min(ceil(wait), long_poll_seconds())),
            VisibilityTimeout=visibility_timeout(Conf.RETRY),
            **RECEIVE_ATTRIBUTES,
        )
        now = server_time(reply)
        messages = [message for message in reply.get("Messages") or () if has_receipt(message)]
        early = {
            id(message): left
            for message in messages
            if (left := seconds_until_due(message, now)) > 1
        }
        for message in messages:
            if id(message) in early:
                self._postpone(message["ReceiptHandle"], early[id(message)])
        return [delivery_from_message(message) for message in messages if id(message) not in early]

    def _postpone(self, receipt: str, seconds: float) -> None:
        """Keep a message in the dark that is not due; where that fails it comes after its lease."""
        try:
            self.extend([receipt], seconds)
        except (*self.errors, botocore_exceptions.ClientError) as error:
            logger.debug("a delayed message comes again before it is due: %s", error_summary(error))

    def acknowledge(self, ack_id: str) -> bool:
        """End a delivery for good; False when the message is gone."""
        return not Sqs.acknowledge_many(self, [ack_id])

    def acknowledge_many(self, ack_ids: Iterable[str]) -> set[str]:
        """End deliveries for good. Returns those whose message is gone."""
        return self._change_messages("delete_message_batch", ack_ids)

    def extend(self, ack_ids: Iterable[str], seconds: float) -> set[str]:
        """Let leases end ``seconds`` from now. Returns those whose message is gone."""
        return self._change_messages(
            "change_message_visibility_batch",
            ack_ids,
            VisibilityTimeout=visibility_timeout(seconds),
        )

    def release(self, ack_ids: Iterable[str], delay: float = 0, count: bool = True) -> set[str]:
        """Hand deliveries back. Each counts as an attempt: the service itself counts."""
        return self.extend(ack_ids, delay)

    def move_to_dead_letters(self, ack_id: str, payload: str | bytes) -> None:
        """End a delivery, and keep its payload in the queue of the same name with "-dead".

        The service takes no message that is empty.
        """
        if payload:
            self.connection.send_message(QueueUrl=self.dead_url, MessageBody=payload_text(payload))
        self.acknowledge(ack_id)

    def dead_size(self) -> int:
        """Count the payloads that were buried, more or less."""
        return self._count(self.dead_url, "")

    def queue_size(self) -> int:
        """Count the payloads that could be delivered now, more or less."""
        return self._count(self.queue_url, "")

    def lock_size(self) -> int:
        """Count the payloads that are leased, or delayed, more or less."""
        return self._count(self.queue_url, "NotVisible", "Delayed")

    def _count(self, url: str, *states: str) -> int:
        """Count messages in some states, as the service estimates them."""
        names = [f"ApproximateNumberOfMessages{state}" for state in states]
        reply = self.connection.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(reply["Attributes"][name]) for name in names)

    def delete_queue(self) -> None:
        """Delete the queue. The service makes none of that name for a minute."""
        self.connection.delete_queue(QueueUrl=self.queue_url)
        del self.queue_url

    def purge_queue(self) -> None:
        """Delete all messages, those in hand too. The service allows it once a minute."""
        self.connection.purge_queue(QueueUrl=self.queue_url)

    def ping(self) -> bool:
        """Say whether the service answers."""
        self._count(self.queue_url, "")
        return True

    def info(self) -> str:
        """Name the service."""
        return "AWS SQS"

    def close(self) -> None:
        """Drop the connections; they are made again when needed."""
        if "connection" in vars(self):
            self.connection.close()
        super().close()

    def _change_messages(self, request: str, ack_ids: Iterable[str], **options: Any) -> set[str]:
        """Send a request for each receipt. Returns those that were refused."""
        ack_ids, stale = list(ack_ids), set()
        for start in range(0, len(ack_ids), MAX_BATCH_MESSAGES):
            batch = ack_ids[start : start + MAX_BATCH_MESSAGES]
            entries = [{"ReceiptHandle": ack_id, **options} for ack_id in batch]
            _, refused = self._batch_request(request, entries)
            stale.update(batch[number] for number in refused)
        return stale

    def _batch_request(self, request: str, entries: list[dict]) -> tuple[dict, dict]:
        """Send a batch request until each entry was done or refused; both come by number.

        Raises ``BrokerUnavailable`` when the service fails to do the rest.
        """
        done, refused = {}, {}
        for _ in range(MAX_REQUEST_ATTEMPTS):
            left = [
                {"Id": str(number), **entry}
                for number, entry in enumerate(entries)
                if number not in done and number not in refused
            ]
            if not left:
                return done, refused
            reply = getattr(self.connection, request)(QueueUrl=self.queue_url, Entries=left)
            done.update({int(entry["Id"]): entry for entry in reply.get("Successful", [])})
            failed = reply.get("Failed", [])
            refused.update({int(entry["Id"]): entry for entry in failed if entry["SenderFault"]})
        if len(done) + len(refused) < len(entries):
            raise BrokerUnavailable(f"Amazon SQS has not done all of {request}: {failed}")
        return done, refused

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        """Make a client of the service."""
        return connect("client")


def connect(kind: str) -> Any:
    """Make a client, or a resource, of the service from the options in ``Q_CLUSTER['sqs']``."""
    if boto3 is None:
        raise ImproperlyConfigured(
            "Q_CLUSTER['sqs'] needs boto3, which is not installed: pip install django-q[sqs]"
        )
    options = dict(Conf.SQS or {})
    options.pop("receive_message_wait_time_seconds", None)
    endpoint = options.pop("endpoint_url", None)
    if region := options.pop("aws_region", None):
        options["region_name"] = region
    timeouts = botocore_config.Config(connect_timeout=5, read_timeout=10 + long_poll_seconds())
    make = getattr(boto3.Session(**options), kind)
    try:
        if not set("@?#").isdisjoint(endpoint or ""):
            raise ValueError
        return make("sqs", endpoint_url=endpoint, config=timeouts)
    except ValueError:  # which quotes it
        raise ImproperlyConfigured(INVALID_ENDPOINT_TEXT) from None


def payload_text(payload: str | bytes) -> str:
    """Make text of a payload; a signed package has nothing but ASCII."""
    return payload.decode("utf-8", "backslashreplace") if isinstance(payload, bytes) else payload


def batches(bodies: list[str]) -> Iterator[list[str]]:
    """Split messages into requests that are not too large."""
    batch: list[str] = []
    for body in bodies:
        if len(batch) == MAX_BATCH_MESSAGES or sum(map(len, batch)) + len(body) > MAX_REQUEST_BYTES:
            if batch:
                yield batch
            batch = []
        batch.append(body)
    if batch:
        yield batch


def delay_options(seconds: float) -> dict[str, Any]:
    """Make the options of a message that is delayed.

    What is delayed for longer than the service allows says so, for who receives it too early.
    """
    if seconds <= 0:
        return {}
    options: dict[str, Any] = {"DelaySeconds": min(ceil(seconds), MAX_DELAY_SECONDS)}
    if seconds > MAX_DELAY_SECONDS:
        value = {"DataType": "Number", "StringValue": str(ceil(seconds))}
        options["MessageAttributes"] = {DELAY_ATTRIBUTE: value}
    return options


def delay_of(message: Mapping[str, Any]) -> int:
    """Tell by how many seconds a message was delayed, if that was too long for the service.

    Anybody who reaches the queue may have sent it: what can not be read is no delay.
    """
    attribute = message_field(message.get("MessageAttributes"), DELAY_ATTRIBUTE)
    return max(0, parse_whole_number(message_field(attribute, "StringValue")))


def seconds_until_due(message: Mapping[str, Any], now: float) -> float:
    """Tell in how many seconds a message is due; ``now`` is the service's."""
    delay = delay_of(message)
    sent = parse_whole_number(message_field(message.get("Attributes"), "SentTimestamp")) / 1000
    return min(sent + delay - now, MAX_LEASE_SECONDS) if delay and sent else 0


def delivery_from_message(message: Mapping[str, Any]) -> Delivery:
    """Make a delivery of a message that is due.

    To be received before it was due was no attempt.
    """
    too_early = max(0, ceil((delay_of(message) - MAX_DELAY_SECONDS) / MAX_LEASE_SECONDS))
    received = parse_whole_number(
        message_field(message.get("Attributes"), "ApproximateReceiveCount")
    )
    body = message.get("Body")
    payload = body if isinstance(body, str) else ""
    return Delivery(message["ReceiptHandle"], payload, max(1, received - too_early))


def visibility_timeout(seconds: float) -> int:
    """Make a visibility time-out."""
    return max(0, min(ceil(seconds), MAX_LEASE_SECONDS))


def long_poll_seconds() -> int:
    """Say for how many seconds one request waits."""
    return int((Conf.SQS or {}).get("receive_message_wait_time_seconds", LONG_POLL_SECONDS))
