"""Payloads that can not be read: moved to a queue of their own, where people find them."""

from __future__ import annotations

from collections import Counter

from django_q.brokers.base import Broker
from django_q.brokers.other_queues import queue_label
from django_q.conf import logger
from django_q.execution.execution import UndecodablePayload


class DeadLetters:
    """Moves undecodable payloads to the dead queue, and logs each cause once."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.counts: Counter[str] = Counter()  # of payloads, by cause

    def move_to_dead_letters(self, undecodable: UndecodablePayload) -> None:
        """Move one payload."""
        self.broker.move_to_dead_letters(undecodable.ack_id, undecodable.payload)
        self.counts[undecodable.reason] += 1
        if self.counts[undecodable.reason] == 1:
            logger.error(
                "an undecodable package was moved to the dead queue of %s: %s "
                "Others with this cause are moved without a further line.",
                self.broker.list_key,
                undecodable.reason,
                extra={"task_queue": queue_label(self.broker.list_key)},  # all that is known
            )
