"""Finished packages, to be saved few or many at a time."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

#: Few rows go one way into PostgreSQL, many another.
FEW_AND_MANY = pytest.mark.parametrize("count", [1, 30])


def finished(**values: Any) -> dict[str, Any]:
    """Make the package of a task that has ended."""
    now = timezone.now()
    return {
        "id": uuid4().hex,
        "name": "any-name",
        "func": "tests.tasks.multiply",
        "args": (2, 3),
        "kwargs": {},
        "result": 6,
        "success": True,
        "started": now,
        "stopped": now,
        **values,
    }
