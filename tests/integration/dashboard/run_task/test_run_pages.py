"""Functions are run by a form: those that are allowed, by those who may."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry

from django_q.models import OrmQ
from tests.integration.admin.pages import messages, text
from tests.integration.dashboard.visits import log_in, page_url

pytestmark = pytest.mark.django_db(transaction=True)

MULTIPLY = "tests.tasks.multiply"


@pytest.fixture(autouse=True)
def _allow(make_broker, conf):
    make_broker("orm")
    conf(functions=[MULTIPLY, "tests.interruptible_tasks.*", "tests.task_functions.*"])


def run(client, function: str = MULTIPLY, **values: object):
    """Send the form of a function."""
    data = {f"argument-{name}": value for name, value in values.items()}
    return client.post(page_url("run", function), {"action": "run", **data}, follow=True)


def test_what_is_allowed_is_listed(client):
    log_in(client, "run_functions")

    shown = text(client.get(page_url("functions")))

    assert MULTIPLY in shown
    assert "tests.interruptible_tasks.tell_progress" in shown
    assert "tests.tasks.raise_error" not in shown


def test_a_task_is_enqueued_with_the_arguments_of_the_form(client):
    log_in(client, "run_functions")

    response = run(client, x="6", y="7")

    package = OrmQ.objects.get().task
    assert (package["func"], package["kwargs"]) == (MULTIPLY, {"x": 6, "y": 7})
    assert messages(response) == [f"{MULTIPLY} was enqueued as task {package['id']}."]
    assert LogEntry.objects.get().change_message == f"Enqueued {MULTIPLY}."


def test_a_form_with_an_error_is_shown_again(client):
    log_in(client, "run_functions")

    response = run(client, x="6", y="seven")

    assert "Enter a value as it is written in Python." in text(response)
    assert not OrmQ.objects.exists()


@pytest.mark.parametrize("function", ["tests.tasks.raise_error", "os.system", "builtins.eval"])
def test_what_is_not_allowed_is_not_found(client, function):
    log_in(client, "run_functions")

    assert client.get(page_url("run", function)).status_code == 404
    assert run(client, function, x=1).status_code == 404


def test_who_has_not_the_permission_may_not(client):
    log_in(client, "view_ormq", "change_ormq", "change_schedule")

    assert run(client, x="6", y="7").status_code == 403
    assert page_url("functions") not in client.get(page_url("overview")).content.decode()
    assert not OrmQ.objects.exists()


def test_without_a_list_no_function_is_offered(client, conf):
    conf(functions=None)
    log_in(client, "run_functions")

    assert "No function can be run from here" in text(client.get(page_url("functions")))


def test_a_decorated_function_is_run_and_its_secrets_are_not_shown(client):
    log_in(client, "run_functions")
    function = "tests.task_functions.pay"

    assert function in text(client.get(page_url("functions")))
    assert "plum" not in run(client, function, order="x", card="plum").content.decode()
    run(client, function, order="7", card="plum")

    assert OrmQ.objects.get().task["kwargs"] == {"order": 7, "card": "plum"}
