"""Follow the log of a task until it has ended."""

from __future__ import annotations

import pytest

from django_q.task_logs import following
from django_q.task_logs.following import follow
from django_q.task_logs.rows import save_logs
from django_q.task_state.shown import LOG, RunAnswer, answer_key, question_key, sign_shown
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


def test_what_a_cluster_shows_of_a_task_that_runs_is_told_once(broker):
    put(broker, TASK_ID)
    found = follow(TASK_ID)

    show(broker, "one\n", 4)
    assert next(found).text == "one\n"
    show(broker, "one\ntwo\n", 8)
    part = next(found)
    assert (part.text, part.is_first, part.is_truncated) == ("two\n", False, False)
    save_logs([entry(TASK_ID, text="ee\nfour\n", length=19, worker="web:1")])
    make_task(pk=TASK_ID)

    (last,) = found
    assert (last.text, last.is_truncated) == ("ee\nfour\n", True)
    assert question_key(LOG, TASK_ID) in broker.notices().values


def show(broker, log, length):
    """Answer as a cluster does."""
    shown = RunAnswer(log, 1.0, "web:1", begun=1000.0, length=length)
    broker.set_stat(answer_key(LOG, TASK_ID), sign_shown(LOG, TASK_ID, shown), 60)
