"""What tests of waiting share: callers that find nothing unless they are told."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.db import connections

from django_q.models import Task
from django_q.results.waiting import shared_subscription
from django_q.results.waiting.polling import (
    MAX_RESULT_POLL_SECONDS,
    RESULT_POLL_GROWTH_FACTOR,
    Pace,
)
from django_q.results.waiting.shared_subscription import Told
from django_q.results.waiting.threads import ThreadWaits, waits_of_process
from tests.waiting import wait_until

#: Seconds between two looks of who is told: longer than any test.
LONG_PAUSE = 1000.0


def wait_until_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let callers look for a moment only, at first and when they are told."""

    def next_pause(self: Pace, longest: float = MAX_RESULT_POLL_SECONDS) -> float:
        pause = min(self.pause_seconds, longest)
        grown = pause * RESULT_POLL_GROWTH_FACTOR
        self.pause_seconds = grown if grown < MAX_RESULT_POLL_SECONDS else longest
        return pause

    monkeypatch.setattr(Pace, "next_pause", next_pause)
    monkeypatch.setattr(shared_subscription, "TOLD_LOOK_INTERVAL", LONG_PAUSE)
    monkeypatch.setattr(shared_subscription, "TELLING_STARTS_AFTER", 0.0)
    for name, value in (("has_failed", False), ("untold_at", None), ("distrusted_until", 0.0)):
        monkeypatch.setattr(Told, name, value)


class AllIn:
    """A database router that has everything in one database."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_read(self, model: type, **hints: Any) -> str:
        """Name the database to read from."""
        return self.alias

    db_for_write = db_for_read


def waits() -> ThreadWaits:
    """Give the threads of this process that wait."""
    return waits_of_process(os.getpid())


def wait_for_waiting(number: int) -> None:
    """Wait until so many threads wait to be told, and nothing else."""

    def are_waiting() -> bool:
        paces = list(waits().paces)
        asleep = [pace for pace in paces if pace.pause_seconds == LONG_PAUSE]
        return len(asleep) == number and waits().shared.subscription is not None

    wait_until(are_waiting)


def subscribers(broker: Any, kind: str) -> int:
    """Count the subscriptions that the server has."""
    if kind == "redis":
        return broker.connection.pubsub_numsub("django_q:test:results")[0][1]
    if kind == "postgres":
        with connections[broker.alias].cursor() as cursor:
            cursor.execute(
                "SELECT COUNT(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
                "WHERE locktype = 'advisory' AND datname = CURRENT_DATABASE()"
            )
            return cursor.fetchone()[0]
    return len(Told.subscriptions)


def clear_results(alias: str) -> None:
    """Delete the results of a database."""
    Task.objects.using(alias).all()._raw_delete(alias)
