"""Fixtures of the switch: the predecessors in environments of their own, and shops."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import django
import psycopg
import pytest

from tests import servers
from tests.settings import from_url
from tests.switch import history, shops
from tests.switch.shops import DJANGO_Q, DJANGO_Q2, Console, Shop

#: Where the predecessors have the function that runs what is due.
SCHEDULERS = {
    "django_q2": "django_q.scheduler.scheduler",
    "django_q": "django_q.cluster.scheduler",
}
PASTS = [(package, queue) for package in SCHEDULERS for queue in ("redis", "orm")]


def environment(requirements: tuple[str, ...]) -> Path:
    """Install a predecessor; skip where that can not be, fail where ``CI`` is set."""
    try:
        return shops.installed(requirements)
    except shops.Unavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def django_q2() -> Path:
    """Give a Python that has django-q2, and the Django that we have here."""
    return environment((*DJANGO_Q2, f"Django=={django.__version__}"))


@pytest.fixture(scope="session")
def django_q() -> Path:
    """Give a Python that has Django Q."""
    if sys.version_info >= (3, 14):
        pytest.skip("Django Q 1.3.9 needs Django 4.2, which does not run on this Python")
    return environment(DJANGO_Q)


def new_shop(queue: str, **options: Any) -> Shop:
    """Open a shop: "redis" and "shelf" are queues, "orm" and "postgres" databases that hold one."""
    if queue == "redis":
        return Shop(redis=servers.redis_url(), **options)
    if queue == "shelf":
        return Shop(broker_class="shop.shelf.Shelf", **options)
    database = new_database() if queue == "postgres" else None
    return Shop(database, orm="default", **options)


def new_database() -> dict[str, Any]:
    """Make a database on the PostgreSQL server of the test run; its settings."""
    settings = from_url(servers.postgres_url())
    settings.pop("TEST")
    name = f"shop_{uuid4().hex}"
    place = {"host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"]}
    with psycopg.connect(**place, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return {**settings, "NAME": name}


@dataclass
class Pair:
    """A shop that both packages run at the same time, on tables that ours took over."""

    shop: Shop
    python: Path  # of the predecessor
    scheduler: str  # the predecessor's function that runs what is due
    old: Console
    new: Console


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Open a shop to both, for a package and a queue; it is closed when the test is over."""
    package, queue = request.param
    python = request.getfixturevalue(package)
    shop = new_shop(queue)
    try:
        old, new = shop.console(python), shop.console()
        for console in (old, new):
            console.ask("shop.calls.migrate")
        yield Pair(shop, python, SCHEDULERS[package], old, new)
    finally:
        shop.close()


@pytest.fixture(scope="session", params=PASTS, ids=" ".join)
def switched(request: pytest.FixtureRequest) -> Iterator[history.History]:
    """Fill a shop under a predecessor, change the package, and let our cluster go on."""
    package, queue = request.param
    python = request.getfixturevalue(package)
    shop = new_shop(queue, timeout=4, retry=6)
    try:
        scheduler = SCHEDULERS[package]
        past = history.History(shop, shop.console(python), scheduler, queue == "orm")
        history.live(past, python)
        past.new = shop.console()
        past.new.ask("shop.calls.migrate")
        past.cluster = shop.cluster()
        yield past
    finally:
        shop.close()
