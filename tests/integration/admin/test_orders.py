"""Orders that are given on the page of unfinished tasks, who may give them, and what is said."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_q.dashboard.orders import selection_value
from django_q.exceptions import BrokerUnavailable
from django_q.models import Unfinished
from django_q.orders import cancelling
from django_q.tasks import async_task, fetch, fetch_unfinished
from tests.heartbeats import make_stat
from tests.integration.admin.pages import messages, text, url
from tests.integration.unfinished.queued import beat

pytestmark = pytest.mark.django_db(transaction=True)

HTML = "<b onclick=alert(1)>bold</b>"


@pytest.fixture(params=["memory", "redis", "orm"])
def queue(request: pytest.FixtureRequest, make_broker: Any) -> Any:
    """Give a broker of each kind that takes orders, with nothing in it."""
    broker = make_broker(request.param)
    yield broker
    broker.resume()
    broker.set_limit(None)
    broker.withdraw_notices(broker.notices().values)


def order(client: Any, action: str, *tasks: tuple[str, str], **data: str) -> Any:
    """Give an order by the form of the page."""
    chosen = [selection_value(*task) for task in tasks]
    data = {"queue": "test", "action": action, "_selected_action": chosen, **data}
    return client.post(url(Unfinished), data, follow=True)


def logged() -> list[tuple[str, str]]:
    """List what is in the log of the admin, as (name, message)."""
    return list(LogEntry.objects.order_by("pk").values_list("object_repr", "change_message"))


def user_with(client: Any, *codenames: str) -> Any:
    """Log in a user who may view the queue, and has these permissions."""
    user = User.objects.create_user("anna", is_staff=True)
    names = ("view_ormq", *codenames)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return client


def test_a_waiting_task_is_cancelled_and_that_is_said_and_logged(client, queue, run_all):
    task_id = async_task("tests.tasks.multiply", 2, 3, q_options={"track": True})
    user_with(client, "cancel_tasks")

    response = order(client, "cancel", (task_id, ""), reason=HTML)

    assert messages(response) == ["1 task is cancelled and does not begin."]
    assert logged() == [(task_id, f"Cancelled: removed. Reason: {HTML}")]
    page = response.content.decode()
    assert "Cancelled by anna at" in text(response)
    assert HTML not in page
    run_all(queue)
    assert "TaskCancelled" in fetch(task_id).exception
    assert "cancelled by anna" in fetch(task_id).result


def test_each_answer_is_said(client, queue, monkeypatch):
    answers = {"1" * 32: "removed", "2" * 32: "requested", "3" * 32: "ended", "4" * 32: "unknown"}
    monkeypatch.setattr(
        "django_q.dashboard.orders.cancel", lambda task_id, **given: answers[task_id]
    )
    user_with(client, "cancel_tasks")

    response = order(client, "cancel", *((task_id, "") for task_id in answers))

    assert messages(response) == [
        "1 task is cancelled and does not begin.",
        "1 task is held by a cluster, which was told to cancel it. It may still end.",
        "1 task had ended before.",
        "1 task was not found. If it waits, it is cancelled when a cluster takes it.",
    ]
    assert set(answers.values()) == {
        cancelling.REMOVED,
        cancelling.REQUESTED,
        cancelling.ENDED,
        cancelling.UNKNOWN,
    }


def test_the_groups_of_selected_tasks_are_cancelled(client, queue, run_all):
    ids = [async_task("tests.tasks.multiply", 2, 3, group="letters a") for _ in range(2)]
    other = async_task("tests.tasks.multiply", 2, 3)
    user_with(client, "cancel_tasks")

    response = order(client, "cancel_groups", (ids[0], "letters a"), (other, ""))

    assert messages(response) == [
        "The tasks of group letters a are cancelled. Those that run may still end."
    ]
    assert logged() == [("letters a", "Cancelled the group.")]
    assert "group:letters a" in queue.notices().values


@pytest.mark.parametrize(
    ("action", "told"),
    [("cancel", "No task is selected."), ("cancel_groups", "None of the selected tasks has")],
)
def test_of_no_task_nothing_is_cancelled(client, queue, action, told):
    user_with(client, "cancel_tasks")

    assert told in messages(order(client, action))[0]
    assert logged() == []


def test_a_queue_is_paused_and_resumed(client, queue):
    make_stat(queue="test").save(queue)
    user_with(client, "pause_queue")

    paused = order(client, "pause")
    assert messages(paused) == ["Queue test is paused. What clusters have taken by now goes on."]
    assert queue.control().is_paused
    assert "test 0 0 0 0 - paused Resume" in text(paused)
    resumed = order(client, "resume")
    assert messages(resumed) == ["Queue test is resumed."]
    assert not queue.control().is_paused
    assert "test 0 0 0 0 - - Pause" in text(resumed)
    assert messages(order(client, "resume")) == ["Queue test was not paused."]
    assert logged() == [("test", "Paused the queue."), ("test", "Resumed the queue.")]


def test_the_pause_of_one_cluster_is_shown_and_ended_too(client, queue):
    stat = make_stat(queue="test")
    stat.save(queue)
    queue.pause(str(stat.cluster_id))
    user_with(client, "pause_queue")

    assert "paused for cluster 54d638f6 Resume" in text(client.get(url(Unfinished)))
    order(client, "resume")

    assert queue.control().paused_clusters == set()


def test_a_limit_is_set_shown_and_taken_away(client, queue):
    user_with(client, "limit_queue")

    response = order(client, "limit", limit="4")
    assert messages(response) == ["At most 4 tasks of queue test are taken at a time."]
    assert queue.control().limit == 4
    assert "limit 4" in text(response)
    assert 'value="4"' in response.content.decode()
    assert "at its limit of 0" in text(order(client, "limit", limit="0"))
    assert messages(order(client, "limit", limit="")) == ["Queue test has no limit."]
    assert queue.control().limit is None


@pytest.mark.parametrize("limit", ["-1", "many", "1.5"])
def test_what_is_no_limit_is_refused(client, queue, limit):
    user_with(client, "limit_queue")

    (told,) = messages(order(client, "limit", limit=limit))

    assert "The limit of a queue must be a whole number" in told
    assert (queue.control().limit, logged()) == (None, [])


ORDERS = {
    "cancel": "cancel_tasks",
    "cancel_groups": "cancel_tasks",
    "pause": "pause_queue",
    "resume": "pause_queue",
    "limit": "limit_queue",
}


@pytest.mark.parametrize("action", ORDERS)
def test_who_lacks_the_permission_is_refused_and_sees_no_button(client, make_broker, action):
    queue = make_broker("memory")
    task_id = async_task("tests.tasks.multiply", 2, 3, q_options={"track": True})
    user_with(client, *({*ORDERS.values()} - {ORDERS[action]}))

    page = client.get(url(Unfinished)).content.decode()
    response = order(client, action, (task_id, "g"), limit="3")

    assert f'value="{action}"' not in page
    assert response.status_code == 403
    assert queue.control() == (False, set(), None)
    assert fetch_unfinished(task_id).cancelled == ""
    assert logged() == []


def test_who_may_not_view_the_page_gives_no_orders(client, make_broker):
    queue = make_broker("memory")
    user_with(client, "pause_queue").post(url(Unfinished))
    User.objects.get().user_permissions.remove(Permission.objects.get(codename="view_ormq"))

    assert order(client, "pause").status_code == 403
    assert not queue.control().is_paused


def test_an_order_needs_the_token_of_a_form(make_broker):
    queue = make_broker("memory")
    client = user_with(Client(enforce_csrf_checks=True), "pause_queue")

    assert order(client, "pause").status_code == 403
    assert not queue.control().is_paused


def test_no_order_is_given_by_getting_a_page(admin_client, make_broker):
    queue = make_broker("memory")

    admin_client.get(url(Unfinished), {"action": "pause", "queue": "test"})

    assert not queue.control().is_paused


@pytest.mark.parametrize("kind", ["custom", "sqs"])
def test_a_broker_that_obeys_no_orders_gets_no_buttons_and_refuses(admin_client, make_broker, kind):
    make_broker(kind)

    page = admin_client.get(url(Unfinished)).content.decode()

    assert 'value="pause"' not in page
    assert 'value="cancel"' not in page
    assert "can not pause" in messages(order(admin_client, "pause"))[0]


def test_a_broker_that_does_not_answer_is_told(admin_client, make_broker, monkeypatch):
    queue = make_broker("memory")

    def refuse(*args: Any) -> None:
        raise BrokerUnavailable("away")

    monkeypatch.setattr(type(queue), "pause", refuse)

    assert messages(order(admin_client, "pause")) == ["away"]
    assert logged() == []


def test_of_several_tasks_those_that_can_not_be_cancelled_are_told(admin_client, make_broker):
    make_broker("memory")
    task_id = async_task("tests.tasks.multiply", 2, 3, q_options={"track": True})

    response = order(admin_client, "cancel", ("x" * 40, ""), (task_id, ""))

    refused, done = messages(response)
    assert "was not cancelled: The id of a task has 1 to 32 characters" in refused
    assert done == "1 task is cancelled and does not begin."


def test_html_of_tasks_and_queues_is_text(admin_client, make_broker):
    queue = make_broker("memory")
    task_id = async_task("tests.tasks.multiply", q_options={"track": True, "group": HTML,
                                                            "task_name": HTML})  # fmt: skip
    queue.dequeue(wait=0)
    run = {"pid": 7, "id": task_id, "name": HTML, "func": HTML, "group": HTML, "attempt": 1,
           "since": 0, "seconds": 1.0, "done": 1, "total": 2, "note": HTML,
           "cancelled": HTML}  # fmt: skip
    beat(queue, running=[run])

    response = order(admin_client, "cancel_groups", (task_id, HTML))

    page = response.content.decode()
    assert HTML not in page
    assert page.count("&lt;b onclick=alert(1)&gt;bold&lt;/b&gt;") >= 5
    assert 'value="0.500"' in page
