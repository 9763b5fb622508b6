"""What the checks say about settings."""

from __future__ import annotations

from typing import Any

from django_q.checks import examine


def found(options: Any) -> list[tuple[str, str]]:
    """List the ids and texts that are said about a Q_CLUSTER."""
    return [(message.id.removeprefix("django_q."), message.msg) for message in examine(options)]


def ids(options: Any) -> list[str]:
    """List the ids that are said about a Q_CLUSTER."""
    return [number for number, _ in found(options)]
