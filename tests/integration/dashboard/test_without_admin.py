"""The dashboard of a project that has neither the admin nor messages."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.urls import include, path

from django_q.calls import resubmission
from django_q.models import Failure
from django_q.orders.steering import queue
from tests.integration.admin.rows import make_failure

pytestmark = pytest.mark.django_db(transaction=True)

urlpatterns = [path("q/", include("django_q.urls"))]
LEFT_OUT = ("django.contrib.admin", "django.contrib.messages")


@pytest.fixture(autouse=True)
def _bare_project(settings, make_broker):
    make_broker("memory")
    apps = [name for name in settings.INSTALLED_APPS if name not in LEFT_OUT]
    middleware = [name for name in settings.MIDDLEWARE if "messages" not in name]
    with override_settings(
        INSTALLED_APPS=apps, MIDDLEWARE=middleware, ROOT_URLCONF=__name__, LOGIN_URL="/come-in/"
    ):
        yield


def test_who_is_not_logged_in_is_sent_to_the_login_of_the_project(client):
    assert client.get("/q/").url == "/come-in/?next=/q/"


def test_pages_are_shown_and_orders_are_given(client):
    client.force_login(User.objects.create_superuser("anna"))

    for page in ("", "queues/", "queues/test/", "clusters/", "schedules/", "run/"):
        assert client.get(f"/q/{page}").status_code == 200, page
    client.post("/q/queues/test/", {"action": "pause", "queue": "test"})

    assert queue("test").control().is_paused


def test_a_failure_that_runs_again_as_another_task_is_deleted(client, monkeypatch):
    monkeypatch.setattr(resubmission, "keeps_id", lambda task: False)
    client.force_login(User.objects.create_superuser("anna"))
    failed = make_failure(func="tests.tasks.multiply", args=(2, 3))

    client.post(f"/q/tasks/{failed.pk}/", {"action": "resubmit_failure"})

    assert not Failure.objects.exists()
