"""Fixtures of the tests of waiting: a broker of each kind that tells, and callers that are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections

from django_q.results.pruning import WaitedFor
from tests.told import AllIn, clear_results, wait_until_told


@pytest.fixture(autouse=True)
def no_connections_of_coroutines() -> Iterator[None]:
    """Close what the thread has open that reads for coroutines, which outlives their loops."""
    yield
    asyncio.run(sync_to_async(connections.close_all)())


@pytest.fixture(autouse=True)
def nobody_waits_any_more() -> Iterator[None]:
    """Have what ends in the tests that follow be pruned at once."""
    yield
    WaitedFor.until = 0.0


@pytest.fixture
def only_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let callers find nothing unless they are told."""
    wait_until_told(monkeypatch)


#: What needs the tests' own database; the other one is not guarded.
IN_THE_DATABASE = pytest.mark.django_db(transaction=True)
KINDS = [
    pytest.param("redis", marks=IN_THE_DATABASE),
    pytest.param("orm", marks=IN_THE_DATABASE),
    "postgres",
]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name what tells: Redis, the file of SQLite, or PostgreSQL."""
    if request.param == "orm" and connection.vendor != "sqlite":
        pytest.skip("the database is no file")
    return request.param


@pytest.fixture
def telling(kind: str, only_told: None, make_broker: Callable, settings: Any) -> Iterator[Any]:
    """Give a broker beside which results are told of; on PostgreSQL they are there as well."""
    broker = make_broker(kind)
    if kind == "postgres":
        settings.DATABASE_ROUTERS = [AllIn(broker.alias)]
        clear_results(broker.alias)
    yield broker
    if kind == "postgres":
        clear_results(broker.alias)
