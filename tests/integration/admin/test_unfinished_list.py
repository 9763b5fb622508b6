"""Unfinished tasks in the admin, on each broker that lists them, and on those that do not."""

from __future__ import annotations

import pickle
import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import NoReverseMatch, reverse

from django_q.admin import unfinished_list
from django_q.brokers import get_broker
from django_q.brokers.terms import Terms
from django_q.conf import Conf
from django_q.models import OrmQ, Unfinished
from django_q.signing import SignedPackage
from tests.heartbeats import make_stat
from tests.integration.admin.pages import queries, text, url
from tests.integration.admin.rows import CALLED, NOW, Loud, make_queued

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["memory", "redis", "orm"])
def queue(request: pytest.FixtureRequest, make_broker: Any) -> Any:
    """Give the broker of each kind that lists its tasks, with nothing in it."""
    return make_broker(request.param)


def enqueue(broker: Any, terms: dict[str, Any] | None = None, **overrides: Any) -> str:
    """Enqueue a task; with terms where there are any. Returns its id."""
    package = {"id": uuid4().hex, "name": "queued-name", "func": "tests.tasks.multiply",
               "args": (2, 3), "kwargs": {}, "started": NOW, "group": "g"}  # fmt: skip
    package.update(overrides)
    payload = SignedPackage.dumps(package)
    if terms is None:
        broker.enqueue(payload)
    else:
        broker.enqueue_task(payload, Terms(task_id=package["id"], **terms))
    return package["id"]


def names(response: Any) -> list[str]:
    """List the names of the tasks on a page."""
    return [str(row["name"]) for row in response.context["cl"].rows]


def test_a_task_that_waits_is_shown(admin_client, queue):
    task_id = enqueue(queue)

    page = text(admin_client.get(url(Unfinished)))

    row = "queued-name Waiting tests.tasks.multiply g May 5, 2025 11:00:00 0 0"
    assert f"{row} {task_id}" in page
    assert "test 1 0 0 0" in page


def test_terms_of_a_task_are_shown(admin_client, queue):
    enqueue(queue, {"priority": 40, "expires_in": 3 * 86400, "delay": 2 * 86400})

    page = text(admin_client.get(url(Unfinished)))

    time = r"\w+\.? \d+, \d+ [\d:]+"
    assert re.search(rf"queued-name Delayed until {time} expires {time} tests", page)
    assert "11:00:00 0 40" in page
    assert "test 0 1 0 0" in page


def test_a_task_that_runs_is_shown_as_running(admin_client, queue):
    task_id = enqueue(queue, {"priority": 1})
    enqueue(queue)
    queue.dequeue(limit=2, wait=0)
    run = {"pid": 5, "id": task_id, "name": "queued-name", "func": "tests.tasks.multiply",
           "group": "g", "attempt": 1, "since": NOW.timestamp(), "seconds": 2.0}  # fmt: skip
    make_stat(running=[run]).save(queue)

    page = text(admin_client.get(url(Unfinished)))
    running = text(admin_client.get(url(Unfinished), {"state": "running"}))

    assert "queued-name Running tests.tasks.multiply g" in page
    assert "queued-name Waiting tests.tasks.multiply g" in page  # it is held by a cluster
    assert "test 0 0 2 1" in page
    assert running.count("queued-name") == 1
    assert "No cluster serves this queue" not in page


def test_the_pages_lead_through_all_tasks(admin_client, queue, monkeypatch):
    monkeypatch.setattr(unfinished_list, "PAGE_SIZE", 2)
    for number in range(5):
        enqueue(queue, name=f"task-{number}")

    seen, query = [], ""
    while query is not None:
        response = admin_client.get(url(Unfinished) + query)
        seen += names(response)
        query = response.context["cl"].next_link or None

    assert seen == [f"task-{number}" for number in range(5)]
    assert response.context["cl"].first_link == f"?queue={Conf.CLUSTER_NAME}"


def test_tasks_of_one_state_are_shown_alone(admin_client, queue):
    enqueue(queue, name="soon")
    enqueue(queue, {"delay": 600}, name="late")

    response = admin_client.get(url(Unfinished), {"state": "delayed"})

    assert names(response) == ["late"]
    assert names(admin_client.get(url(Unfinished), {"state": "waiting"})) == ["soon"]
    assert names(admin_client.get(url(Unfinished), {"state": "nonsense"})) == ["soon", "late"]
    assert "By state All Waiting Delayed Running" in text(response)


def test_other_queues_are_offered_and_shown(admin_client, queue):
    other = get_broker("night")
    enqueue(other, name="of the night")
    try:
        first = admin_client.get(url(Unfinished))
        second = admin_client.get(url(Unfinished), {"queue": "night"})
    finally:
        other.delete_queue()

    assert names(first) == []
    assert "No tasks" in text(first)
    night, own = first.context["cl"].queues
    assert [(line.name, line.figures[0][1], line.is_chosen) for line in (night, own)] == [
        ("night", "1", False),
        ("test", "0", True),
    ]
    assert "No cluster serves this queue" in night.badges
    assert own.badges == ""  # as it has nothing to serve
    assert names(second) == ["of the night"]
    assert second.context["cl"].queues[0].is_chosen


def test_a_queue_that_has_gone_is_shown_empty(admin_client, queue):
    response = admin_client.get(url(Unfinished), {"queue": "gone"})

    assert [line.name for line in response.context["cl"].queues] == ["test", "gone"]
    assert names(response) == []


def test_nothing_is_unpickled(admin_client, queue, monkeypatch):
    enqueue(queue, args=(Loud(),), func=enqueue)
    monkeypatch.setattr(pickle, "loads", lambda *args, **kwargs: pytest.fail("unpickled"))

    page = text(admin_client.get(url(Unfinished)))

    assert f"{__name__}.enqueue" in page
    assert CALLED == []


def test_what_can_not_be_read_is_shown(admin_client, queue):
    queue.enqueue("junk")
    enqueue(queue, name="<script>alert(1)</script>", group=["a", {}], func=5)

    response = admin_client.get(url(Unfinished))

    assert "*BadSignature" in text(response)
    assert "<script>alert" not in response.content.decode()


def test_a_list_asks_the_database_no_more_for_many_tasks_than_for_one(admin_client, make_broker):
    broker = make_broker("orm")
    enqueue(broker)
    one = queries(admin_client, url(Unfinished))

    for _ in range(20):
        enqueue(broker)

    assert queries(admin_client, url(Unfinished)) == one
    assert one < 15


def test_a_bad_cursor_is_refused_on_the_page(admin_client, make_broker):
    make_broker("memory")

    response = admin_client.get(url(Unfinished), {"after": "nonsense"})

    assert response.status_code == 200
    assert "&#x27;after&#x27; must be" in text(response)


def test_a_broker_that_does_not_answer_is_told(admin_client):
    response = admin_client.get(url(Unfinished))  # nobody listens on the port of the settings

    assert response.status_code == 200
    assert "The queue can not be read: ConnectionError: " in text(response)
    assert "No tasks" not in text(response)


def test_a_broker_that_can_not_list_its_tasks_says_so(admin_client, make_broker):
    broker = make_broker("custom")
    broker.enqueue("payload")

    page = text(admin_client.get(url(Unfinished)))

    assert "test 1 0 0 0" in page
    assert "This broker lists no tasks but those that run" in page


@pytest.mark.parametrize("codename", ["view_ormq", "change_ormq"])
def test_who_may_view_the_queue_may_view_the_page(client, make_broker, codename):
    make_broker("memory")
    user = User.objects.create_user("staff", is_staff=True)
    client.force_login(user)
    refused = client.get(url(Unfinished))

    user.user_permissions.add(Permission.objects.get(codename=codename))

    assert refused.status_code == 403
    assert client.get(url(Unfinished)).status_code == 200
    assert "Unfinished tasks" in text(client.get(reverse("admin:index")))


def test_strangers_are_sent_to_the_login(client):
    assert client.get(url(Unfinished)).status_code == 302


@pytest.mark.parametrize("page", ["add", "change", "delete", "history"])
def test_there_is_no_page_that_could_change_anything(admin_client, page):
    queued = make_queued()

    with pytest.raises(NoReverseMatch):
        url(Unfinished, page, *([] if page == "add" else [queued.pk]))
    assert admin_client.get(f"{url(Unfinished)}{queued.pk}/{page}/").status_code == 404
    assert admin_client.post(url(Unfinished), {"action": "delete_selected"}).status_code == 200
    assert OrmQ.objects.get() == queued
