"""Fixtures of the alerts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_q.signals import alert_raised, alert_resolved
from tests.integration.alerts.webhooks import Webhook, running_webhook


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """Run a webhook that keeps what it gets."""
    with running_webhook() as server:
        yield server


@pytest.fixture
def signalled() -> Iterator[list[tuple[str, str, str]]]:
    """Collect what the signals tell: the event, the rule and its subject."""
    events: list[tuple[str, str, str]] = []

    def raised(sender: str, alert: Any, **kwargs: Any) -> None:
        events.append(("raised", alert.rule, alert.subject))

    def resolved(sender: str, alert: Any, **kwargs: Any) -> None:
        events.append(("resolved", alert.rule, alert.subject))

    alert_raised.connect(raised)
    alert_resolved.connect(resolved)
    yield events
    alert_raised.disconnect(raised)
    alert_resolved.disconnect(resolved)
