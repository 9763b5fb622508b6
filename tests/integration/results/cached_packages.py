"""Finished packages that ask for the cache."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from django_q.wire.package import new_package


def finished(**options: Any) -> dict[str, Any]:
    """Make a finished package that asks for the cache."""
    package = new_package("tests.tasks.multiply", (2, 3), {}, {"cached": True, **options})
    return {**package, "success": True, "result": 6, "stopped": timezone.now()}
