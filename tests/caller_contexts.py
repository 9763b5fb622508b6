"""Context variables that travel, and tasks and hooks that tell of their context."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from django.utils import timezone, translation

#: A variable of a project.
TENANT: ContextVar[Any] = ContextVar("tenant")
#: What hooks have found.
HOOK_CONTEXTS: list[tuple] = []


class Tenant:
    """A value that is no plain one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return f"tenant {self.name}"


class Unreadable:
    """A value that no worker can unpickle."""

    def __reduce__(self) -> tuple:
        return int, ("no number",)


def tell_context(*args: Any) -> list[str]:
    """Return language, time zone and tenant."""
    zone = timezone.get_current_timezone_name()
    return [str(translation.get_language()), zone, str(TENANT.get("no tenant"))]


def fail_first() -> list[str]:
    """Fail in a first attempt, then do as ``tell_context``."""
    from django_q.tasks import current_task

    if current_task.attempt == 1:
        raise ValueError("the first attempt")
    return tell_context()


def hook(task: Any) -> None:
    """Note the context of the hook."""
    HOOK_CONTEXTS.append((task.name, *tell_context()))
