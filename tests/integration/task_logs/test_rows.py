"""The rows of logs: saved, pruned, read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_q.models import TaskLog
from django_q.task_logs import rows
from django_q.task_logs.entry import LogEntry
from django_q.task_logs.rows import LogSaver, delete_old_logs, saved_logs

pytestmark = pytest.mark.django_db


def entry(task_id="abc", **values):
    """Make a log."""
    given = {"attempt": 1, "begun": 1000.0, "text": "text", "length": 4, **values}
    return LogEntry(task_id, **given)


def test_logs_are_saved_and_read_in_the_order_of_their_attempts():
    LogSaver().save([entry(attempt=2, begun=2000.0, text="nul \x00"), entry(), entry("other")])

    found = saved_logs("abc")

    assert [(row.attempt, row.text) for row in found] == [(1, "text"), (2, "nul \\x00")]


def test_a_log_that_can_not_be_saved_takes_no_other_with_it(caplog):
    LogSaver().save([entry(begun=float("nan")), entry("other")])

    assert [row.task_id for row in TaskLog.objects.all()] == ["other"]
    assert "the log of task abc can not be saved" in caplog.text


def test_old_logs_are_deleted(conf):
    conf(keep_logs_for=60)
    rows.save_logs([entry("old"), entry("young")])
    TaskLog.objects.filter(task_id="old").update(saved=timezone.now() - timedelta(seconds=61))

    assert delete_old_logs() == 1

    assert [row.task_id for row in TaskLog.objects.all()] == ["young"]
    assert delete_old_logs() == 0


def test_of_too_many_logs_the_oldest_are_deleted(monkeypatch):
    monkeypatch.setattr(rows, "MAX_LOGS", 2)

    LogSaver().save([entry(str(number)) for number in range(5)])

    assert [row.task_id for row in TaskLog.objects.order_by("pk")] == ["3", "4"]
