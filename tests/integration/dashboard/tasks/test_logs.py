"""The logs of a task on its page, and its stack."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry

from django_q.task_logs.entry import LogEntry as TaskLogEntry
from django_q.task_logs.rows import save_logs
from django_q.task_state.shown import (
    LOG,
    STACK,
    RunAnswer,
    answer_key,
    question_key,
    sign_shown,
)
from tests.integration.admin.pages import messages, text
from tests.integration.admin.rows import make_failure
from tests.integration.dashboard.tasks.test_task_page import (  # noqa: F401
    TASK_ID,
    broker,
    order,
    visit,
)
from tests.integration.dashboard.visits import log_in
from tests.integration.unfinished.queued import beat

pytestmark = pytest.mark.django_db


def test_the_logs_of_its_attempts_are_shown_and_the_last_is_open(admin_client):
    task = make_failure()
    lengths = {1: 8, 2: 98}
    save_logs(
        [
            TaskLogEntry(task.pk, number, 1000.0, f"<line {number}>", length, worker="web-3:4711")
            for number, length in lengths.items()
        ]
    )

    page = visit(admin_client, task.pk).content.decode()

    assert "attempt 1 · web-3:4711" in page
    assert "&lt;line 1&gt;" in page
    assert page.count("Only the end of the log was kept.") == 1
    log = page.partition('id="log-title"')[2].partition("</section>")[0]
    assert [part.startswith(" open>") for part in log.split("<details")[1:]] == [False, True]


def test_a_task_that_runs_shows_its_log_so_far_and_asks_for_more(broker, admin_client, conf):  # noqa: F811
    conf(keep_logs=4096)
    beat(broker, TASK_ID)
    shown = RunAnswer("so <far>", 1.0, "web-3:4711", begun=1000.0, length=8)
    broker.set_stat(answer_key(LOG, TASK_ID), sign_shown(LOG, TASK_ID, shown), 60)

    page = text(visit(admin_client))

    assert "so &lt;far&gt;" in page
    assert question_key(LOG, TASK_ID) in broker.notices().values


def test_the_stack_of_a_task_that_runs_is_asked_for_and_shown(broker, admin_client):  # noqa: F811
    beat(broker, TASK_ID)
    assert "Show its stack" in text(visit(admin_client))

    page = order(admin_client, "show_stack")

    assert "was asked for its stack" in messages(page)[0]
    assert question_key(STACK, TASK_ID) in broker.notices().values
    shown = RunAnswer("in <charge>", 1.0, "web-3:4711")
    broker.set_stat(answer_key(STACK, TASK_ID), sign_shown(STACK, TASK_ID, shown), 60)
    assert "in &lt;charge&gt;" in text(visit(admin_client))
    assert LogEntry.objects.get().change_message == "Asked for its stack."


def test_the_stack_is_shown_to_those_alone_who_may_see_it(broker, client):  # noqa: F811
    log_in(client, "view_ormq", "cancel_tasks")
    beat(broker, TASK_ID)
    shown = RunAnswer("in <charge>", 1.0, "web-3:4711")
    broker.set_stat(answer_key(STACK, TASK_ID), sign_shown(STACK, TASK_ID, shown), 60)

    page = text(visit(client))

    assert "Show its stack" not in page
    assert "in &lt;charge&gt;" not in page
    assert order(client, "show_stack").status_code == 403
