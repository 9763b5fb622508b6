"""Hooks, called by hand."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone, translation

from django_q import signals
from django_q.models import Task
from tests.tasks import language_and_time_zone


def called(hook: str | None) -> list[Any]:
    """Call the hook of a task as a receiver of signals is called, and list what it saw."""
    from tests import tasks

    tasks.hooked.clear()
    signals.call_hook(sender=Task, instance=Task(name="any-name", hook=hook))
    return tasks.hooked


def test_the_receiver_of_the_predecessors_calls_the_hook_of_a_task():
    assert [task.name for task in called("tests.tasks.hook")] == ["any-name"]


@pytest.mark.parametrize("active", [("fr", "America/Lima"), ("en-us", "Europe/Amsterdam")])
def test_a_hook_leaves_the_language_and_the_time_zone_to_whoever_comes_next(active):
    language, zone = active
    with translation.override(language), timezone.override(zone):
        called("tests.tasks.speak_german")

        assert language_and_time_zone() == active


def test_a_task_without_a_hook_calls_none():
    assert called(None) == []


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        ("tests.tasks.raise_in_hook", "return hook tests.tasks.raise_in_hook failed on [any-name]"),
        ("sys.exit", "return hook sys.exit failed on [any-name]"),
        ("tests.tasks.nowhere", "malformed return hook 'tests.tasks.nowhere' for [any-name]"),
        ("tests", "malformed return hook 'tests' for [any-name]"),
    ],
)
def test_a_hook_that_fails_is_logged_and_does_not_raise(hook, words, caplog):
    called(hook)

    assert words in caplog.text
