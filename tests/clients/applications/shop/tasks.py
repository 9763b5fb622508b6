"""Tasks of the shop."""

from __future__ import annotations

import os

import overseer
from apscheduler.triggers.interval import IntervalTrigger
from crontask import cron
from django.tasks import task


@task
def add(x: int, y: int = 0) -> int:
    """Return a sum."""
    return x + y


@task
def fail(text: str = "as asked") -> None:
    """Fail."""
    raise ValueError(text)


@task
def die() -> None:
    """End the worker."""
    os._exit(1)


@overseer.task(retries=1, backoff="constant", backoff_base=0.1, unique=True)
def fail_once_more(text: str) -> None:
    """Fail; the application runs it again, once."""
    raise LookupError(text)


@cron(IntervalTrigger(seconds=1), sentry_monitor_config=None)
@task
def tick() -> str:
    """Return a word."""
    return "tick"
