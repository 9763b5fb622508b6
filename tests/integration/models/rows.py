"""Rows that tests of the models look at."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from django_q.models import (
    Task,
)

UTC = timezone.utc


NOW = datetime(2025, 5, 5, 9, tzinfo=UTC)


def make_task(**overrides: Any) -> Task:
    """Save a task that succeeded."""
    values = {
        "id": uuid4().hex,
        "name": "four-human-words-here",
        "func": "tests.tasks.multiply",
        "started": NOW,
        "stopped": NOW + timedelta(seconds=1.5),
        "success": True,
    }
    return Task.objects.create(**(values | overrides))
