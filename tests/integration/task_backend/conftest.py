"""What tests of the backend for Django's tasks framework are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import pytest
from django.test import override_settings

from tests.framework_tasks import signals

PATH = "django_q.backend.DjangoQBackend"


@pytest.fixture
def signals_sent() -> Iterator[list[tuple[str, Any, Any]]]:
    """Collect what the framework's signals tell: (name, sender, result)."""
    sent: list[tuple[str, Any, Any]] = []
    receivers = {}
    for name in ("task_enqueued", "task_started", "task_finished"):

        def receive(sender: Any, task_result: Any, name: str = name, **kwargs: Any) -> None:
            sent.append((name, sender, copy(task_result)))

        receivers[name] = receive
        getattr(signals, name).connect(receive, weak=False)
    yield sent
    for name, receive in receivers.items():
        getattr(signals, name).disconnect(receive)


@pytest.fixture
def tasks_setting() -> Iterator[Callable[..., None]]:
    """Set ``TASKS`` until the test ends: ``tasks_setting(QUEUES=[], OPTIONS={})``."""
    changed = []

    def change(**default: Any) -> None:
        setting = override_settings(TASKS={"default": {"BACKEND": PATH, **default}})
        setting.enable()
        changed.append(setting)

    yield change
    for setting in reversed(changed):
        setting.disable()
