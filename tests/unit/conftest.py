"""What unit tests of heartbeats are given."""

import pytest

from tests.heartbeats import MemoryBroker


@pytest.fixture
def memory() -> MemoryBroker:
    return MemoryBroker()
