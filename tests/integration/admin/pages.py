"""Pages of the admin: their addresses, and what is read from them."""

from __future__ import annotations

import re
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse


def url(model: type, page: str = "changelist", *args: Any) -> str:
    """Find a page of the admin."""
    return reverse(f"admin:django_q_{model._meta.model_name}_{page}", args=args)


def act(client: Any, model: type, action: str, *rows: Any) -> Any:
    """Choose an action for rows of a list."""
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(url(model), data, follow=True)


def text(response: Any) -> str:
    """Read a page without its markup."""
    page = response.content.decode().replace("<wbr>", "")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def messages(response: Any) -> list[str]:
    """List what a page says on top."""
    return [str(message) for message in response.context["messages"]]


def queries(client: Any, address: str) -> int:
    """Count the queries of a page."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)
