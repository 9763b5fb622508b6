"""The list of all tasks: what it shows to whom, and what it says of a search."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_q.dashboard.task_search import search as search_module
from tests.integration.admin.pages import text
from tests.integration.admin.rows import make_failure, make_task
from tests.integration.dashboard.visits import log_in, page_url
from tests.integration.unfinished.queued import beat, put

pytestmark = pytest.mark.django_db
WAITING, RUNNING = "1" * 32, "2" * 32


@pytest.fixture(autouse=True)
def broker(make_broker):
    return make_broker("memory")


def names(response):
    """List the tasks of a page by the texts of their links."""
    return [str(row[0][2]).partition(">")[2].partition("<")[0] for row in response.context["rows"]]


def visit(client, query="", **parameters):
    response = client.get(page_url("tasks"), {"q": query, **parameters})
    assert response.status_code == 200
    return response


def test_the_list_has_tasks_of_all_states(admin_client, broker):
    put(broker, WAITING)
    beat(broker, RUNNING)
    make_task(name="done")
    make_failure(name="broken", exception="shop.errors.CardDeclined")
    make_failure(name="gone", exception="django_q.exceptions.TaskCancelled")
    make_failure(name="late", exception="django_q.exceptions.Expired")

    page = text(visit(admin_client))

    for state in ("Running", "Waiting", "Succeeded", "Failed", "Cancelled", "Expired"):
        assert state in page
    assert "CardDeclined" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state:succeeded", ["done"]),
        ("state:failed", ["broken"]),
        ("state:cancelled", ["gone"]),
        ("func:tests.*multiply state:succeeded", ["done"]),
        ("error:Declined", ["broken"]),
        ('error:"as asked"', ["gone", "broken"]),
        ("args:7", ["done"]),
        ("args:7 state:failed", []),
        ("group:invoices", ["done"]),
        ("worker:web-3 queue:mail", ["broken"]),
        ("since:1h", ["gone"]),
        ("broken", ["broken"]),
        ("declined", ["broken"]),
    ],
)
def test_a_search_finds_tasks(admin_client, query, found):
    now = timezone.now()
    make_task(name="done", args=(7,), group="invoices", stopped=now - timedelta(days=1))
    make_failure(name="broken", exception="shop.errors.CardDeclined", worker="web-3:4",
                 cluster="mail", stopped=now - timedelta(hours=2))  # fmt: skip
    make_failure(name="gone", exception="django_q.exceptions.TaskCancelled", stopped=now)

    assert names(visit(admin_client, query)) == found


def test_a_search_that_means_nothing_is_answered_with_a_hint(admin_client):
    make_task(name="done")

    page = text(visit(admin_client, "fnc:mail"))

    assert "unknown field &#x27;fnc&#x27;: did you mean func?" in page
    assert "done" not in page


def test_a_task_of_a_queue_is_found_by_its_arguments(admin_client, broker):
    put(broker, WAITING)

    assert len(names(visit(admin_client, "func:shop.send state:waiting"))) == 1
    assert names(visit(admin_client, "func:shop.send state:delayed")) == []
    assert names(visit(admin_client, f"id:{WAITING}")) != []


def test_a_page_leads_to_the_next(admin_client, monkeypatch):
    monkeypatch.setattr(search_module, "PAGE_TASKS", 2)
    now = timezone.now()
    for number in range(5):
        make_task(name=f"task-{number}", stopped=now)  # all at the same time

    first = visit(admin_client)
    second = admin_client.get(page_url("tasks") + first.context["next"])
    third = admin_client.get(page_url("tasks") + second.context["next"])

    assert len(names(first)) == len(names(second)) == 2
    assert len({*names(first), *names(second), *names(third)}) == 5
    assert third.context["next"] == ""


def test_a_page_says_how_far_it_has_looked_and_leads_further(admin_client, monkeypatch):
    monkeypatch.setattr(search_module, "MAX_LOOKED", 3)
    now = timezone.now()
    make_task(name="wanted", stopped=now - timedelta(hours=5))
    for number in range(3):
        make_task(stopped=now - timedelta(seconds=number))

    first = visit(admin_client, "wanted")
    second = admin_client.get(page_url("tasks") + first.context["next"])

    assert names(first) == []
    assert "Looked at the newest" in text(first)
    assert "Search further back" in text(first)
    assert names(second) == ["wanted"]


def test_the_queues_are_paged_by_the_cursors_of_the_broker(admin_client, broker, monkeypatch):
    monkeypatch.setattr(search_module, "PAGE_TASKS", 2)
    for number in range(5):
        put(broker, str(number) * 32)

    seen, address = [], page_url("tasks") + "?q=state:waiting"
    while True:
        response = admin_client.get(address)
        seen += [str(row[0][2]).partition("/tasks/")[2][:32] for row in response.context["rows"]]
        if not response.context["next"]:
            break
        address = page_url("tasks") + response.context["next"]

    assert seen == [str(number) * 32 for number in range(5)]


def test_unfinished_tasks_leave_room_for_others(admin_client, broker, monkeypatch):
    monkeypatch.setattr(search_module, "MAX_UNFINISHED_TASKS", 2)
    for number in range(5):
        put(broker, str(number) * 32)
    make_task(name="done")

    response = visit(admin_client)

    assert len(names(response)) == 3
    assert "All unfinished tasks" in text(response)


def test_a_made_up_cursor_is_told(admin_client):
    assert "must be that of a link" in text(visit(admin_client, after="f:x"))
    assert "can not be read" in text(visit(admin_client, "state:waiting", after="u:test/x"))


def test_a_broker_that_is_away_leaves_the_tasks_that_have_ended(admin_client, make_broker, conf):
    conf(broker_class=None)  # the settings name a server that nobody runs
    make_task(name="done")

    response = visit(admin_client)

    assert "done" in names(response)
    assert "The queues can not be read" in text(response)


def test_columns_are_chosen_and_remembered(admin_client):
    make_task(args=("secret-7",), group="invoices")

    chosen = visit(admin_client, column=["args", "group"])
    later = visit(admin_client)

    for page in (chosen, later):
        assert [name for name, _title in page.context["titles"]] == ["name", "group", "args"]
        assert "secret-7" in text(page)


@pytest.mark.parametrize(
    ("permission", "seen"),
    [("view_success", ["done"]), ("view_failure", ["broken"]), ("view_ormq", ["four-words"])],
)
def test_one_sees_the_tasks_of_the_states_that_one_may_view(client, broker, permission, seen):
    make_task(name="done")
    make_failure(name="broken")
    beat(broker, RUNNING)
    log_in(client, permission)

    for query in ("", "group:", "since:20000d"):
        if not query.endswith(":"):
            assert names(visit(client, query)) == seen


def test_a_list_without_the_permission_is_forbidden(client):
    log_in(client, "view_schedule")

    assert client.get(page_url("tasks")).status_code == 403


def test_a_list_costs_no_query_per_task(admin_client):
    make_task()
    make_failure()

    def queries():
        with CaptureQueriesContext(connection) as captured:
            visit(admin_client)
        return len(captured)

    before = queries()
    for _ in range(20):
        make_task()
        make_failure()

    assert queries() == before


def test_a_page_that_looked_at_many_tasks_does_not_keep_itself_up_to_date(
    admin_client, monkeypatch
):
    make_task()
    assert 'id="live-tasks" data-live' in visit(admin_client).content.decode()

    monkeypatch.setattr("django_q.dashboard.tasks.task_list.MAX_LIVE_LOOKED", 0)

    assert 'id="live-tasks">' in visit(admin_client).content.decode()
