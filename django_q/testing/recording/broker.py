"""The broker of a test: queues in memory, and a list of what was put into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.memory.broker import Memory
from django_q.brokers.other_queues import queue_label
from django_q.brokers.terms import BROKER_OPTIONS, Enqueued, Terms
from django_q.testing.recording.recording import RecordedQueues, current_recording


class RecordingBroker(Memory):
    """A broker whose queues are those of the innermost ``with enqueued()`` block."""

    serves = BROKER_OPTIONS
    #: Whether what is released for another attempt waits for its delay.
    keeps_delays = True

    @property
    def queues(self) -> RecordedQueues:  # type: ignore[override]
        """The queues of the test."""
        return current_recording().queues

    @property
    def heartbeats(self) -> dict:  # type: ignore[override]
        """The heartbeats of clusters: a test has none."""
        return current_recording().heartbeats

    def enqueue(self, payload: str | bytes, delay: float = 0) -> int:
        receipt = super().enqueue(payload, delay)
        self.note(payload)
        return receipt

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list[int]:
        payloads = list(payloads)
        receipts = super().enqueue_many(payloads)
        for payload in payloads:
            self.note(payload)
        return receipts

    def enqueue_once(self, payload: str | bytes, key: str, terms: Terms | None = None) -> bool:
        is_new = super().enqueue_once(payload, key, terms)
        if is_new:
            self.note(payload)
        return is_new

    def enqueue_tasks(self, tasks: Iterable[tuple[str | bytes, Terms]]) -> list[Enqueued]:
        tasks = list(tasks)
        found = super().enqueue_tasks(tasks)
        for (payload, _), outcome in zip(tasks, found, strict=True):
            if outcome.is_new:
                self.note(payload)
        return found

    def replace_task(self, version: str, payload: str | bytes, terms: Terms) -> bool:
        is_replaced = super().replace_task(version, payload, terms)
        if is_replaced:
            self.note(payload)
        return is_replaced

    def release(
        self,
        ack_ids: Iterable[str],
        delay: float = 0,
        count: bool = True,
        states: Mapping[str, KeptState] | None = None,
    ) -> set[str]:
        return super().release(ack_ids, delay if self.keeps_delays else 0, count, states)

    def note(self, payload: str | bytes) -> None:
        """Note what was enqueued."""
        current_recording().note(payload, self.list_key)


def broker_of_call(options: Mapping[str, Any]) -> RecordingBroker:
    """Find the broker for a call in a test, in the place of the one that its options name.

    So the options ``broker`` and ``redis`` reach no server either.
    """
    given = options.get("broker")
    if isinstance(given, RecordingBroker):
        return given
    list_key = given.list_key if given is not None else options.get("list_key")
    return shared_broker(queue_label(list_key) if list_key else options.get("cluster"))
