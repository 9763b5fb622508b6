"""Fixtures of the tests of the admin."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.admin.rows import CALLED


@pytest.fixture(autouse=True)
def _forget_calls() -> None:
    CALLED.clear()


@pytest.fixture
def orm(conf: Any) -> None:
    """Let the ORM broker take what is enqueued."""
    conf(orm="default")
