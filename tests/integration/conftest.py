"""Fixtures that tests of several rooms share."""

from __future__ import annotations

import pytest


@pytest.fixture
def json_only(conf):
    """Send and take JSON alone."""
    conf(serializer="json")
