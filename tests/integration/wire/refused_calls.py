"""Calls of each kind with options that are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from django_q.exceptions import PackageError
from django_q.tasks import AsyncTask, Chain, async_batch, async_chain, async_iter, async_task
from tests.tasks import echo


def calls_of_each_kind(options: dict[str, Any]) -> list[Callable[[], Any]]:
    """Make a call of each kind with options, of the whole or of a part of it."""
    return [
        *contradictory_calls(options),
        lambda: async_task(echo, chain=[(echo, (), {"q_options": options})]),
        lambda: async_batch([echo], q_options=options),
        lambda: async_iter(echo, [1], q_options=options),
        Chain([echo, (echo, (), {"q_options": options})]).run,
        AsyncTask(echo, q_options=options).run,
    ]


def contradictory_calls(options: dict[str, Any]) -> list[Callable[[], Any]]:
    """Make the calls in which options are judged together."""
    return [
        lambda: async_task(echo, q_options=options),
        lambda: async_batch([echo, (echo, (), {"q_options": options})]),
        lambda: async_chain([echo, (echo, (), {"q_options": options})]),
        lambda: async_chain([echo], q_options=options),
    ]


def assert_refused(broker: Any, calls: Iterable[Callable[[], Any]], text: str) -> None:
    """Check that each call raises ``PackageError`` with a text, and enqueues nothing."""
    for call in calls:
        with pytest.raises(PackageError, match=text):
            call()
    assert broker.list_tasks() == []
