"""The site and its cluster: once for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest

from tests import waiting
from tests.clusters import RunningCluster
from tests.workspace import workspace

SETTINGS = os.environ["DJANGO_SETTINGS_MODULE"]

workspace()
django.setup()


class SiteCluster(RunningCluster):
    """``manage.py qcluster`` of the site."""

    def launch(self, arguments: Any, **environment: str) -> None:
        """Start it with the settings of the site."""
        super().launch(arguments, **{**environment, "DJANGO_SETTINGS_MODULE": SETTINGS})


@pytest.fixture(scope="session", autouse=True)
def cluster() -> Iterator[RunningCluster]:
    """Make the tables, and run a cluster until the tests have ended."""
    from django.core.management import call_command

    package = workspace() / "shop_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    call_command("makemigrations", "shop", verbosity=0)
    call_command("migrate", verbosity=0)
    cluster = SiteCluster()
    yield cluster.wait_ready()
    cluster.end()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Wait for a condition."""
    return waiting.wait_until


@pytest.fixture
def run(wait_until: Callable[..., None]) -> Callable[..., Any]:
    """Enqueue a task and wait for its end."""

    def call(each: Any, *args: Any, **kwargs: Any) -> Any:
        result = each.enqueue(*args, **kwargs)

        def has_ended() -> bool:
            result.refresh()
            return result.is_finished

        wait_until(has_ended)
        return result

    return call
