"""The page of a queue: its tasks, and the orders that are given there."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry

from django_q.dashboard.operations import queues
from django_q.exceptions import BrokerUnavailable
from django_q.models import Unfinished
from django_q.orders.steering import queue
from django_q.tasks import async_task, fetch_unfinished
from tests.heartbeats import make_stat
from tests.integration.admin.pages import messages, text, url
from tests.integration.dashboard.visits import log_in, page_url
from tests.integration.unfinished.queued import beat, put

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "/admin/django_q/dashboard/queues/test/"


def order(client, action: str, **data):
    """Give an order on the page of a queue."""
    data = {"queue": "test", "action": action, **data}
    return client.post(page_url("queue", "test"), data, follow=True)


def logged() -> list[tuple[str, str]]:
    """List what is in the log of the admin, as (name, message)."""
    return list(LogEntry.objects.order_by("pk").values_list("object_repr", "change_message"))


@pytest.mark.parametrize("kind", ["memory", "redis", "orm"])
def test_what_waits_and_what_runs_is_listed(admin_client, make_broker, kind):
    broker = make_broker(kind)
    for task_id in ("a" * 32, "b" * 32):
        put(broker, task_id)
    broker.dequeue()
    beat(broker, "a" * 32)

    page = admin_client.get(page_url("queue", "test"))
    shown = text(page)

    assert page_url("queue", "test") == ADDRESS
    assert f'href="{page_url("task", "b" * 32)}"' in page.content.decode()
    assert "Running shop.send" in shown
    assert "Waiting shop.send" in shown
    assert "Waiting 1 Delayed 0 Running 1" in shown


def test_pages_of_tasks_follow_one_another(admin_client, make_broker, monkeypatch):
    monkeypatch.setattr(queues, "MAX_SHOWN_TASKS", 2)
    broker = make_broker("memory")
    for digit in "abc":
        put(broker, digit * 32)

    first = admin_client.get(ADDRESS)
    second = admin_client.get(ADDRESS + first.context["next_link"])

    assert [task["id"][0] for task in first.context["tasks"]] == ["a", "b"]
    assert [task["id"][0] for task in second.context["tasks"]] == ["c"]
    assert "First page" in text(second)


def test_a_task_is_cancelled_and_that_is_logged_with_who(client, make_broker):
    make_broker("memory")
    task_id = async_task("tests.tasks.multiply", 2, 3, q_options={"track": True})
    log_in(client, "view_ormq", "cancel_tasks")

    response = order(client, "cancel", _selected_action=f"{task_id} ")

    assert messages(response) == ["1 task is cancelled and does not begin."]
    assert "by anna" in fetch_unfinished(task_id).cancelled
    assert logged() == [(task_id, "Cancelled: removed.")]


def test_all_tasks_of_a_queue_are_cancelled(client, make_broker):
    broker = make_broker("memory")
    log_in(client, "view_ormq", "cancel_tasks")

    order(client, "cancel_queue", reason="a mistake")

    assert list(broker.notices().values) == ["queue"]
    assert logged() == [("test", "Cancelled all tasks of the queue. Reason: a mistake")]


def test_the_limit_of_a_queue_is_set(client, make_broker):
    make_broker("memory")
    log_in(client, "view_ormq", "limit_queue")

    order(client, "limit", limit="4")

    assert queue("test").control().limit == 4
    queue("test").limit(None)


@pytest.mark.parametrize(
    ("codename", "buttons"),
    [
        ("view_ormq", set()),
        ("cancel_tasks", {"Cancel all tasks", "Cancel"}),
        ("pause_queue", {"Pause"}),
        ("limit_queue", {"Set limit"}),
    ],
)
def test_who_may_give_an_order_has_a_button_for_it(client, make_broker, codename, buttons):
    put(make_broker("memory"), "a" * 32)
    log_in(client, "view_ormq", codename)

    page = client.get(ADDRESS).content.decode()

    every = ("Cancel all tasks", "Cancel", "Pause", "Set limit")
    assert {name for name in every if f">{name}<" in page} == buttons
    denied = {"Cancel": "cancel", "Pause": "pause", "Set limit": "limit"}
    for name, action in denied.items():
        if name not in buttons:
            assert client.post(ADDRESS, {"queue": "test", "action": action}).status_code == 403


def test_a_broker_that_can_not_be_steered_has_no_buttons(admin_client, make_broker):
    make_stat().save(make_broker("custom"))

    page = admin_client.get(ADDRESS).content.decode()

    assert "This broker lists no tasks but those that run" in page
    assert 'name="action"' not in page


def test_a_broker_that_is_away_is_told_on_the_page(admin_client, make_broker, monkeypatch):
    broker = make_broker("memory")

    def fail(self, *args):
        raise BrokerUnavailable("Nobody answers on port 1.")

    monkeypatch.setattr(type(broker), "get_stats", fail)

    for address in (ADDRESS, page_url("queues"), page_url("clusters")):
        response = admin_client.get(address)
        assert response.status_code == 200
        assert "Nobody answers on port 1." in text(response)


def test_a_limit_is_shown_as_it_is_where_numbers_are_grouped(admin_client, make_broker, settings):
    make_broker("memory")
    settings.USE_THOUSAND_SEPARATOR = True
    queue("test").limit(1500)

    for address in (ADDRESS, url(Unfinished)):
        assert 'value="1500"' in admin_client.get(address).content.decode()
