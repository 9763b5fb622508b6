"""Fixtures of the tests of what is unfinished."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_q.brokers import get_broker
from tests.integration.unfinished.queued import OTHER_QUEUES


@pytest.fixture(params=["memory", "redis", "orm"])
def queue(request, make_broker) -> Iterator[Any]:
    """Give the broker of the settings, empty: one of each kind that knows all of its tasks."""
    yield make_broker(request.param)
    for name in OTHER_QUEUES:
        get_broker(name).delete_queue()
