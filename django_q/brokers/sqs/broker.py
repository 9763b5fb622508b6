"""The queue in Amazon SQS: its visibility time-out is the lease."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from math import ceil
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_q.brokers.base import Broker, Delivery, payload_text
from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.sqs.messages import (
    has_receipt,
    message_field,
    parse_whole_number,
    server_time,
)
from django_q.conf import Conf, logger
from django_q.descriptor_wait import wait_until_readable
from django_q.exceptions import BrokerUnavailable
from django_q.foreign_code.optional_packages import optional
from django_q.text.error_text import error_summary

boto3 = optional("boto3")
botocore_config = optional("botocore.config")
botocore_exceptions = optional("botocore.exceptions")

#: The most messages in one request, and bytes of them: the limit less some for the request itself.
MAX_BATCH_MESSAGES, MAX_REQUEST_BYTES = 10, 240 * 1024
#: The most seconds that a message can be delayed when it is sent, and after it was received.
MAX_DELAY_SECONDS, MAX_LEASE_SECONDS = 900, 43200
#: Seconds that one request waits for a message by default. Stopping a cluster may take that much
#: longer.
LONG_POLL_SECONDS = 2
#: Attempts at a batch request whose entries have failed for a temporary reason.
MAX_REQUEST_ATTEMPTS = 3
#: The error for an invalid address; those of boto3 would quote it.
INVALID_ENDPOINT_TEXT = (
    "Q_CLUSTER['sqs']['endpoint_url'] must be like 'https://host:port', and nothing more."
)
#: The attribute of a message with the seconds by which it was delayed.
DELAY_ATTRIBUTE = "delay"
#: The attributes that are requested with each message.
RECEIVE_ATTRIBUTES = {
    "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
    "MessageAttributeNames": [DELAY_ATTRIBUTE],
}


class Sqs(Broker):
    """A queue in Amazon SQS, which is created when it does not exist.

    The service reports a receipt as stale only when the message is gone, counts a delivery that
    was released as an attempt, and leases for 12 hours at most. Heartbeats are kept in the
    database.
    """

    max_batch = MAX_BATCH_MESSAGES
    receipt_pattern = r"(?s).+"

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The exceptions raised when the service does not answer."""
        own = (botocore_exceptions.BotoCoreError,) if botocore_exceptions else ()
        return (*super().errors, *own)

    @cached_property
    def queue_url(self) -> str:
        """The URL of the queue."""
        return self._make_queue(self.list_key)

    @cached_property
    def dead_url(self) -> str:
        """The URL of the dead-letter queue."""
        return self._make_queue(f"{self.list_key}-dead")

    def get_queue(self) -> Any:
        """Return the queue as a boto3 resource; a method of django-q2."""
        return connect("resource").Queue(self.queue_url)

    def _make_queue(self, name: str) -> str:
        """Find a queue, or create it. Returns its URL."""
        client = self.connection
        try:
            return client.get_queue_url(QueueName=name)["QueueUrl"]
        except client.exceptions.QueueDoesNotExist:
            return client.create_queue(QueueName=name)["QueueUrl"]

    def enqueue(self, payload: str | bytes, delay: float = 0) -> str:
        """Send a message. Returns its id."""
        message = {"MessageBody": payload_text(payload), **delay_options(delay)}
        return self.connection.send_message(QueueUrl=self.queue_url, **message)["MessageId"]

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list[str]:
        """Send messages, ten in a request.

        When a request fails, the messages of those before it were sent: there are no transactions.
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
        """Take up to ten deliveries; see ``Broker.dequeue``. Waits are in whole seconds."""
        end = self.wait_deadline(wait)
        while True:
            left = end - time.monotonic()
            deliveries = self._receive(min(limit, MAX_BATCH_MESSAGES), left)
            if deliveries or left <= 0 or wait_until_readable([self.wake_fd], 0):
                return deliveries

    def _receive(self, limit: int, wait: float) -> list[Delivery]:
        """Receive messages; hide those again that are not due yet."""
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
        """Hide a message until it is due; where that fails, it comes again when its lease ends."""
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

    def release(
        self,
        ack_ids: Iterable[str],
        delay: float = 0,
        count: bool = True,
        states: Mapping[str, KeptState] | None = None,
    ) -> set[str]:
        """Release deliveries. Each counts as an attempt, as the service itself counts them."""
        return self.extend(ack_ids, delay)

    def move_to_dead_letters(self, ack_id: str, payload: str | bytes) -> None:
        """End a delivery, and send its payload to the queue of the same name with "-dead" added.

        An empty payload is dropped: the service accepts no empty message.
        """
        if payload:
            self.connection.send_message(QueueUrl=self.dead_url, MessageBody=payload_text(payload))
        self.acknowledge(ack_id)

    def dead_size(self) -> int:
        """Estimate the number of payloads in the dead-letter queue."""
        return self._count(self.dead_url, "")

    def queue_size(self) -> int:
        """Estimate the number of payloads that could be delivered now."""
        return self._count(self.queue_url, "")

    def lock_size(self) -> int:
        """Estimate the number of payloads that are leased or delayed."""
        return self._count(self.queue_url, "NotVisible", "Delayed")

    def _count(self, url: str, *states: str) -> int:
        """Add up the service's estimates of the messages in some states."""
        names = [f"ApproximateNumberOfMessages{state}" for state in states]
        reply = self.connection.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(reply["Attributes"][name]) for name in names)

    def delete_queue(self) -> None:
        """Delete the queue. The service creates none of that name for a minute."""
        self.connection.delete_queue(QueueUrl=self.queue_url)
        del self.queue_url

    def purge_queue(self) -> None:
        """Delete all messages, leased ones too. The service allows that once a minute."""
        self.connection.purge_queue(QueueUrl=self.queue_url)

    def ping(self) -> bool:
        """Return True when the service answers; raise its error otherwise."""
        self._count(self.queue_url, "")
        return True

    def info(self) -> str:
        """Return the name of the service."""
        return "AWS SQS"

    def close(self) -> None:
        """Close the connections; they are opened again when needed."""
        if "connection" in vars(self):
            self.connection.close()
        super().close()

    def _change_messages(self, request: str, ack_ids: Iterable[str], **options: Any) -> set[str]:
        """Send a batch request for receipts. Returns the receipts that were refused, as stale."""
        ack_ids, stale = list(ack_ids), set()
        for start in range(0, len(ack_ids), MAX_BATCH_MESSAGES):
            batch = ack_ids[start : start + MAX_BATCH_MESSAGES]
            entries = [{"ReceiptHandle": ack_id, **options} for ack_id in batch]
            _, refused = self._batch_request(request, entries)
            stale.update(batch[number] for number in refused)
        return stale

    def _batch_request(self, request: str, entries: list[dict]) -> tuple[dict, dict]:
        """Send a batch request until each entry was done or refused. Returns both, by index.

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
    except ValueError:  # whose text quotes the address
        raise ImproperlyConfigured(INVALID_ENDPOINT_TEXT) from None


def batches(bodies: list[str]) -> Iterator[list[str]]:
    """Split messages into batches within the limits of one request."""
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
    """Return the options that delay a message.

    A message that is delayed for longer than the service allows has its delay as an attribute too:
    whoever receives it too early hides it again.
    """
    if seconds <= 0:
        return {}
    options: dict[str, Any] = {"DelaySeconds": min(ceil(seconds), MAX_DELAY_SECONDS)}
    if seconds > MAX_DELAY_SECONDS:
        value = {"DataType": "Number", "StringValue": str(ceil(seconds))}
        options["MessageAttributes"] = {DELAY_ATTRIBUTE: value}
    return options


def delay_of(message: Mapping[str, Any]) -> int:
    """Read the delay attribute of a message, in seconds; 0 where there is none.

    Anybody who reaches the queue may have sent the message: an invalid attribute means no delay.
    """
    attribute = message_field(message.get("MessageAttributes"), DELAY_ATTRIBUTE)
    return max(0, parse_whole_number(message_field(attribute, "StringValue")))


def seconds_until_due(message: Mapping[str, Any], now: float) -> float:
    """Return the seconds until a message is due; ``now`` is the time of the service."""
    delay = delay_of(message)
    sent = parse_whole_number(message_field(message.get("Attributes"), "SentTimestamp")) / 1000
    return min(sent + delay - now, MAX_LEASE_SECONDS) if delay and sent else 0


def delivery_from_message(message: Mapping[str, Any]) -> Delivery:
    """Make a delivery of a message that is due.

    Receiving it before it was due does not count as an attempt.
    """
    early_receives = max(0, ceil((delay_of(message) - MAX_DELAY_SECONDS) / MAX_LEASE_SECONDS))
    received = parse_whole_number(
        message_field(message.get("Attributes"), "ApproximateReceiveCount")
    )
    body = message.get("Body")
    payload = body if isinstance(body, str) else ""
    return Delivery(message["ReceiptHandle"], payload, max(1, received - early_receives))


def visibility_timeout(seconds: float) -> int:
    """Round seconds up to a visibility time-out that the service accepts."""
    return max(0, min(ceil(seconds), MAX_LEASE_SECONDS))


def long_poll_seconds() -> int:
    """Return the seconds that one request waits for a message."""
    return int((Conf.SQS or {}).get("receive_message_wait_time_seconds", LONG_POLL_SECONDS))
