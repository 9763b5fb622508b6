"""Fixtures of the tests of metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from django_q.metrics.exposition.families import Family


@pytest.fixture(params=["redis", "orm"])
def queue(request: pytest.FixtureRequest, make_broker: Callable) -> Any:
    """Give the broker of the settings, empty."""
    return make_broker(request.param)


@pytest.fixture
def values() -> Callable[..., dict]:
    """Read the values of a family, by the values of its labels."""

    def read(families: Iterable[Family], name: str) -> dict:
        (family,) = (each for each in families if each.name == f"django_q_{name}")
        return {",".join(sample.labels.values()): sample.value for sample in family.samples}

    return read
