"""Schedules that are due, and what they have enqueued."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from django_q.models import Schedule
from django_q.signing import SignedPackage

UTC = timezone.utc


EITHER_BROKER = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


FUNC = "tests.tasks.echo"


def ago(**span: float) -> datetime:
    """Tell a time that has passed."""
    return datetime.now(UTC) - timedelta(**span)


def make_schedule(**overrides: Any) -> Schedule:
    """Save a daily schedule that is due."""
    values = {"func": FUNC, "schedule_type": Schedule.DAILY, "next_run": ago(seconds=5)}
    return Schedule.objects.create(**(values | overrides))


def taken(broker: Any) -> list[dict]:
    """Take what is in the queue, as packages."""
    return [SignedPackage.loads(each.payload) for each in broker.dequeue(1000, wait=0)]
