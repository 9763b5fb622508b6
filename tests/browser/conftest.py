"""Fixtures of the tests in a browser, which are left out where playwright is not installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client

from tests.browser import strict_policy

collect_ignore_glob = [] if find_spec("playwright") else ["test_*.py"]

#: The browser, which Debian and Ubuntu name so.
PROGRAM = shutil.which(os.environ.get("DJANGO_Q_TEST_BROWSER", "chromium"))
WINDOW = {"width": 1280, "height": 900}


@pytest.fixture(scope="session")
def browser(_strict_policy: None) -> Iterator[Any]:
    """Start the browser."""
    from playwright.sync_api import sync_playwright  # installed for these tests alone

    # Playwright has a loop of asyncio in this thread, beside which the tests use the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield started
        started.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def _strict_policy() -> Iterator[None]:
    """Have the site send a strict policy; before its server starts, which loads the middleware."""
    settings.MIDDLEWARE.append(strict_policy.MIDDLEWARE)
    yield
    settings.MIDDLEWARE.remove(strict_policy.MIDDLEWARE)


@pytest.fixture
def visit(browser: Any, live_server: Any) -> Iterator[Callable[..., Any]]:
    """Log in a user with some permissions, all by default, and give a page of the site."""
    contexts = []

    def open_page(*codenames: str, **options: Any) -> Any:
        user = User.objects.create_user(f"user{len(contexts)}", is_staff=True)
        user.is_superuser = not codenames
        user.save()
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value}
        options = {"viewport": WINDOW, "locale": "en-GB", **options}
        context = browser.new_context(base_url=live_server.url, **options)
        context.add_cookies([{**cookie, "url": live_server.url}])
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
