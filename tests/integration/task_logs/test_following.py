"""Follow the log of a task until it has ended."""

from __future__ import annotations

import pytest

from django_q.task_logs import following
from django_q.task_logs.following import follow
from django_q.task_logs.rows import save_logs
from tests.integration.admin.rows import make_task
from tests.integration.task_logs.test_rows import entry
from tests.integration.unfinished.queued import put

pytestmark = pytest.mark.django_db
TASK_ID = "a" * 32


@pytest.fixture(autouse=True)
def broker(make_broker, monkeypatch):
    monkeypatch.setattr(following, "FOLLOW_INTERVAL", 0.01)
    monkeypatch.setattr(following, "LATE_LOG_SECONDS", 0.03)
    monkeypatch.setattr(following, "UNKNOWN_SECONDS", 0.03)
    return make_broker("memory")


def test_logs_are_told_as_they_come_until_the_task_has_ended(broker):
    put(broker, TASK_ID)
    save_logs([entry(TASK_ID)])
    found = follow(TASK_ID)

    assert next(found).attempt == 1
    save_logs([entry(TASK_ID, attempt=2, begun=2000.0)])
    assert next(found).attempt == 2
    make_task(pk=TASK_ID)
    save_logs([entry(TASK_ID, attempt=3, begun=3000.0)])

    assert [row.attempt for row in found] == [3]


def test_a_task_that_nobody_knows_is_given_up():
    assert list(follow("b" * 32)) == []
