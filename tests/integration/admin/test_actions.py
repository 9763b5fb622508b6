"""Resubmitting tasks in the admin, and who may do it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection

from django_q.models import Failure, OrmQ, Schedule, Success
from tests.integration.admin.pages import act, messages, text, url
from tests.integration.admin.rows import NOW, make_failure, make_queued, make_schedule, make_task

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("action", ["resubmit_task", "retry_failed"])
def test_a_resubmitted_failure_is_enqueued_and_unfinished(admin_client, orm, action):
    task = make_failure(
        group="g", hook="tests.tasks.echo", cluster="long", kwargs={"y": 3}, args=(2,)
    )

    response = act(admin_client, Failure, action, task)

    (queued,) = OrmQ.objects.all()
    assert messages(response) == ["1 task was resubmitted."]
    assert (queued.key, queued.func()) == ("long", "tests.tasks.multiply")
    assert (queued.args(), queued.kwargs()) == ((2,), {"y": 3})
    assert (queued.group(), queued.task["hook"]) == ("g", "tests.tasks.echo")
    assert queued.task["id"] == task.id
    assert Failure.objects.get().is_rerun


def test_a_failure_that_is_run_again_is_shown_as_that(admin_client, orm):
    task = make_failure()
    act(admin_client, Failure, "resubmit_task", task)

    assert "Run again" in text(admin_client.get(url(Failure)))
    assert "Stopped: Run again" in text(admin_client.get(url(Failure, "change", task.pk)))
    assert "in the queue already" in messages(act(admin_client, Failure, "resubmit_task", task))[0]
    assert OrmQ.objects.count() == 1


def test_all_failures_of_a_kind_are_resubmitted(admin_client, orm):
    kind = "f" * 32
    task, *_others = [make_failure(fingerprint=kind) for _ in range(3)]
    for _ in range(2):
        make_failure(fingerprint=kind, func="tests.tasks.renamed", stopped=NOW)
    make_failure(fingerprint="e" * 32)

    response = act(admin_client, Failure, "resubmit_kinds", task)

    done, refused = messages(response)
    assert done == "3 tasks were resubmitted."
    assert refused.startswith("2 tasks were not resubmitted: Its function can not be found: ")
    assert OrmQ.objects.count() == 3
    assert f"3 failures of kind {kind}" in LogEntry.objects.get().change_message


def test_of_a_kind_that_is_run_again_already_that_is_said(admin_client, orm):
    task = make_failure(fingerprint="f" * 32)
    act(admin_client, Failure, "resubmit_task", task)

    told = messages(act(admin_client, Failure, "resubmit_kinds", task, make_failure()))

    assert told == [
        "There is no failure of this kind to be resubmitted.",
        "four-human-words-here has no fingerprint, so nobody knows its kind.",
    ]


def test_resubmitted_successes_are_enqueued_and_stay(admin_client, orm):
    tasks = [make_task(), make_task()]

    response = act(admin_client, Success, "resubmit_task", *tasks)

    assert messages(response) == ["2 tasks were resubmitted."]
    assert OrmQ.objects.count() == Success.objects.count() == 2


def test_a_task_is_resubmitted_from_its_page(admin_client, orm):
    task = make_failure()

    response = admin_client.post(url(Failure, "change", task.pk), {"_resubmit": "1"}, follow=True)

    assert response.redirect_chain[-1][0].endswith("/django_q/failure/")
    assert OrmQ.objects.count() == 1
    assert Failure.objects.get().is_rerun


def test_a_task_whose_arguments_are_lost_is_not_resubmitted(admin_client, orm):
    task = make_failure()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_q_task SET args = 'Y25vd2hlcmUKTm90aGluZwopUi4='")

    response = act(admin_client, Failure, "resubmit_task", task)

    assert "can not be read any more" in messages(response)[0]
    assert Failure.objects.exists()
    assert not OrmQ.objects.exists()


def test_a_broker_that_does_not_answer_leaves_the_failure(admin_client):
    task = make_failure()  # and the tests' Redis is at a port where nobody listens

    response = act(admin_client, Failure, "resubmit_task", task)

    assert "was not resubmitted" in messages(response)[0]
    assert Failure.objects.exists()


@pytest.fixture
def viewer(client: Any) -> Any:
    """Log in who may look at everything and change nothing."""
    user = User.objects.create_user("viewer", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    ("model", "make", "action"),
    [(Success, make_task, "resubmit_task"), (Failure, make_failure, "resubmit_task"),
     (Failure, make_failure, "retry_failed"), (Failure, make_failure, "resubmit_kinds"),
     (Schedule, make_schedule, "run_now"),
     (Schedule, make_schedule, "pause"), (OrmQ, make_queued, "delete_selected")],
)  # fmt: skip
def test_who_may_only_look_can_not_act(viewer, orm, model, make, action):
    row = make()
    before = OrmQ.objects.count()

    act(viewer, model, action, row)

    assert OrmQ.objects.count() == before
    assert model.objects.filter(pk=row.pk).exists()
    assert not Schedule.objects.filter(paused=True).exists()


@pytest.mark.parametrize(("model", "make"), [(Failure, make_failure), (Schedule, make_schedule)])
def test_who_may_only_look_gets_no_buttons(viewer, orm, model, make):
    row = make()
    address = url(model, "change", row.pk)

    page = viewer.get(address).content.decode()
    refused = viewer.post(address, {"_resubmit": "1", "_run": "1"})

    assert 'name="_resubmit"' not in page
    assert 'name="_run"' not in page
    assert refused.status_code == 403
    assert not OrmQ.objects.exists()


def test_nothing_is_enqueued_by_getting_a_page(admin_client, orm):
    task = make_failure()

    admin_client.get(url(Failure), {"action": "resubmit_task", "_selected_action": task.pk})
    admin_client.get(url(Failure, "change", task.pk), {"_resubmit": "1"})

    assert not OrmQ.objects.exists()
