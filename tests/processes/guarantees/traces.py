"""Tasks that leave a trace of each run, and what is read from them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from django_q.models import Success
from django_q.tasks import async_task

EITHER_BROKER = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


def runs(path: Path) -> Counter:
    """Count how often each task ran, from the trace each run leaves."""
    return Counter(path.read_text().split()) if path.exists() else Counter()


def enqueue_traces(path: Path, count: int, seconds: float, first: int = 0) -> list[str]:
    """Enqueue tasks that leave their number in a file and take a while."""
    return [
        async_task("tests.tasks.trace", str(path), number, seconds)
        for number in range(first, first + count)
    ]


def all_saved(ids: list[str]) -> bool:
    """Whether each task has ended well."""
    return Success.objects.filter(id__in=ids).count() == len(ids)
