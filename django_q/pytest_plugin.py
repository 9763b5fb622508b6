"""The plugin for pytest. It is loaded in each run, also of projects that do not use it.

So it imports nothing but pytest before a test asks for a fixture: Django may not be set up yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def django_q_tasks() -> Iterator[Any]:
    """Record the tasks that a test enqueues: a list of them, as of ``with enqueued() as tasks``."""
    from django_q.testing import enqueued

    with enqueued() as tasks:
        yield tasks
