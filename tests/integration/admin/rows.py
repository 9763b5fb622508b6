"""Rows that tests of the admin look at."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from django_q.models import OrmQ, Schedule, Task
from django_q.signing import SignedPackage

NOW = datetime(2025, 5, 5, 9, tzinfo=timezone.utc)

#: Columns of the queue that are not in a package.
ROW_COLUMNS = {"lock", "delivery", "attempts", "rank", "expires"}

CALLED = []


class Loud:
    """Notes when it is made by unpickling."""

    def __reduce__(self) -> tuple:
        return CALLED.append, (1,)


def make_task(**overrides: Any) -> Task:
    """Save a task that succeeded."""
    values = {
        "id": uuid4().hex,
        "name": "four-human-words-here",
        "func": "tests.tasks.multiply",
        "args": (2, 3),
        "kwargs": {},
        "result": 6,
        "started": NOW,
        "stopped": NOW + timedelta(seconds=1.5),
        "success": True,
    }
    return Task.objects.create(**(values | overrides))


def make_failure(**overrides: Any) -> Task:
    """Save a task that failed."""
    result = "ValueError('as asked') : Traceback (most recent call last) ..."
    return make_task(**({"success": False, "result": result} | overrides))


def make_queued(**overrides: Any) -> OrmQ:
    """Queue a task; overrides of columns are those of its row, all others of its package."""
    row = {name: overrides.pop(name) for name in ROW_COLUMNS & overrides.keys()}
    package = {"id": uuid4().hex, "name": "queued-name", "func": "tests.tasks.multiply",
               "args": (2, 3), "kwargs": {}, "started": NOW, "group": "g"}  # fmt: skip
    return OrmQ.objects.create(key="test", payload=SignedPackage.dumps(package | overrides), **row)


def make_schedule(**overrides: Any) -> Schedule:
    """Save a daily schedule."""
    values = {"name": "nightly", "func": "tests.tasks.multiply", "args": "2, 3",
              "schedule_type": Schedule.DAILY, "next_run": NOW}  # fmt: skip
    return Schedule.objects.create(**(values | overrides))
