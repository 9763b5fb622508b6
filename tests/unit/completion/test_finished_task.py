"""What is asked of a finished task, answered in one place."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from django_q.completion.finished_task import (
    FinishedTask,
    is_done_receipts,
    needs_only_acknowledging,
)
from django_q.completion.orphans import OrphanedDeliveries
from django_q.execution.execution import UndecodablePayload
from django_q.queues import STOP
from django_q.results.rows import PickledValue
from django_q.task_logs.entry import LogEntry


def finished(**values: Any) -> FinishedTask:
    """Make a task that has ended well and was delivered, unless the values say otherwise."""
    package = {"id": "a" * 32, "name": "ended", "func": "math.floor", "success": True, "ack_id": 1}
    return FinishedTask({**package, **values})  # type: ignore[typeddict-item]


class Odd:
    """What is neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")


@pytest.mark.parametrize(
    ("values", "is_item"),
    [
        ({}, False),
        ({"iter_count": 2}, False),
        ({"iter_count": 2, "group": "g"}, True),
        ({"iter_count": 0, "group": "g"}, False),
        ({"iter_count": 2, "group": "g" * 33}, False),
        ({"iter_count": 2, "group": "g\n"}, False),
        ({"iter_count": 2, "group": ["g"]}, False),
    ],
)
def test_an_item_has_the_id_of_its_iterable_as_its_group(values, is_item):
    assert finished(**values).is_item is is_item


@pytest.mark.parametrize(
    ("values", "is_retried"),
    [
        ({}, False),
        ({"max_attempts": 3, "attempt": 2}, True),
        ({"max_attempts": 3, "attempt": 3}, False),
        ({"max_attempts": 1, "attempt": 1}, False),
        ({"ack_failure": False}, True),
        ({"handed_back": True}, True),
        ({"max_attempts": 3, "success": True}, False),
    ],
)
def test_a_failure_is_retried_where_that_was_asked_for(conf, values, is_retried):
    conf(ack_failures=True, max_attempts=0)

    assert finished(**{"success": False, **values}).is_retried is is_retried


def test_what_was_not_delivered_is_not_retried():
    task = FinishedTask({"success": False, "max_attempts": 3})

    assert task.is_retried is False
    assert task.receipt is None


@pytest.mark.parametrize("key", ["hook", "chain", "schedule"])
@pytest.mark.parametrize(
    ("value", "follows"),
    [(None, False), ("", False), ([], False), ("a.b", True), (PickledValue(b""), True)],
)
def test_a_hook_a_chain_and_a_schedule_follow(key, value, follows):
    assert finished(**{key: value}).has_follow_up is follows


def test_a_value_of_a_foreign_class_is_not_asked_whether_it_is_true():
    assert finished(chain=Odd()).has_follow_up is True


@pytest.mark.parametrize(
    ("values", "wants_row"),
    [
        ({}, True),
        ({"save": False}, False),
        ({"save": False, "success": False}, True),
        ({"save": False, "undone": "the hook: it failed"}, True),
        ({"cached": 60}, False),
    ],
)
def test_a_row_is_for_failures_and_for_successes_that_are_saved(values, wants_row):
    assert finished(**values).wants_row is wants_row


def test_what_nobody_wants_more_of_needs_only_acknowledging():
    logger = logging.getLogger("django-q")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        assert needs_only_acknowledging(finished(save=False).package)
        assert not needs_only_acknowledging(finished().package)
        assert not needs_only_acknowledging(finished(save=False, hook="a.b").package)
        assert not needs_only_acknowledging(finished(save=False, cached=True).package)
        assert not needs_only_acknowledging(finished(save=False, success=False).package)
    finally:
        logger.setLevel(level)


def test_what_could_not_be_done_is_noted_behind_what_was_noted(caplog):
    task = finished()

    task.note_undone("the hook: one")
    task.note_undone("the hook: two")

    assert task.undone == "the hook: one; the hook: two"
    assert "'math.floor' (ended): the hook: one" in caplog.text


def test_nothing_else_in_the_result_queue_is_taken_for_receipts():
    log, orphans = LogEntry("a" * 32, 1, 0.0, "text", 4), OrphanedDeliveries("lost")
    others = [finished().package, UndecodablePayload(1, "", ""), orphans, log, STOP]

    assert is_done_receipts(([1, 2], ()))
    assert not any(map(is_done_receipts, others))
