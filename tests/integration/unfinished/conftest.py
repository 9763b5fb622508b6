"""Fixtures of the tests of what is unfinished."""

from __future__ import annotations

import pytest


@pytest.fixture
def memory(make_broker):
    """Give the broker of the settings, empty: one that knows all of its tasks."""
    return make_broker("memory")
