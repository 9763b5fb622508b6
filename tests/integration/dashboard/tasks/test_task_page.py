"""The page of one task, whatever its state: what it shows, to whom, and what it offers."""

from __future__ import annotations

import pickle
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry

from django_q.dashboard.tasks import found_task
from django_q.models import Failure, Schedule, Success, Task
from django_q.wire.package import link_id
from tests.integration.admin.pages import messages, text
from tests.integration.admin.rows import CALLED, NOW, Loud, make_failure, make_schedule, make_task
from tests.integration.dashboard.visits import ALONE, IN_ADMIN, log_in, page_url
from tests.integration.unfinished.queued import beat, payload_of, put, run

pytestmark = pytest.mark.django_db
TASK_ID = "1" * 32
ERROR = """CardDeclined('no <money>') : Traceback (most recent call last):
  File "/srv/shop/tasks.py", line 12, in charge
    client.post(order)
  File "/srv/venv/lib/python3.12/site-packages/stripe/http.py", line 80, in post
    raise CardDeclined()
shop.errors.CardDeclined: no <money>
"""


@pytest.fixture(autouse=True)
def broker(make_broker):
    return make_broker("memory")


def visit(client, task_id=TASK_ID, place=IN_ADMIN, **query):
    response = client.get(page_url("task", task_id, place=place), query)
    assert response.status_code == 200
    return response


def order(client, action, task_id=TASK_ID, **data):
    return client.post(page_url("task", task_id), {"action": action, **data}, follow=True)


@pytest.mark.parametrize("place", [IN_ADMIN, ALONE])
def test_the_page_of_a_success_shows_its_call_and_its_result(admin_client, place):
    task = make_task(args=(2, "three"), kwargs={"four": [5]}, result={"six": 7}, hook="shop.hook",
                     options={"priority": 7}, worker="web-3:4711", begun=NOW)  # fmt: skip

    page = text(visit(admin_client, task.pk, place))

    for part in ("(2, &#x27;three&#x27;)", "{&#x27;four&#x27;: [5]}", "{&#x27;six&#x27;: 7}",
                 "shop.hook", "&#x27;priority&#x27;: 7", "web-3:4711", "Succeeded", "1.5 s",
                 task.pk):  # fmt: skip
        assert part in page


def test_nothing_is_unpickled(admin_client, monkeypatch):
    task = make_task(args=(Loud(),), result=Loud())
    monkeypatch.setattr(pickle, "loads", lambda *args, **kwargs: pytest.fail("unpickled"))

    page = text(visit(admin_client, task.pk))

    assert "(1)" in page
    assert CALLED == []


def test_values_of_secret_keys_are_dots(admin_client):
    task = make_task(kwargs={"password": "hunter2"}, result={"access_token": "t0k"})

    page = text(visit(admin_client, task.pk))

    assert "••••••" in page
    assert "hunter2" not in page
    assert "t0k" not in page


def test_a_value_that_is_too_large_is_counted(admin_client, monkeypatch):
    monkeypatch.setattr(found_task, "MAX_VALUE_CHARACTERS", 100)
    task = make_task(args=("x" * 200,))

    page = text(visit(admin_client, task.pk))

    assert "xxx" not in page
    assert "characters)" in page


def test_a_traceback_is_opened_at_the_frame_that_counts(admin_client):
    task = make_failure(result=ERROR, exception="shop.errors.CardDeclined", fingerprint="5" * 32)

    response = visit(admin_client, task.pk)

    page = response.content.decode()
    assert '<details open class="dash-counted"><summary><code>/srv/shop/tasks.py:12</code>' in page
    assert page.count("<details open") == 1
    assert "CardDeclined(&#x27;no &lt;money&gt;&#x27;)" in page
    assert f"q=kind%3A{'5' * 32}" in page


def test_the_text_of_a_failure_is_a_file(admin_client):
    task = make_failure(result=ERROR)

    response = admin_client.get(page_url("task_error", task.pk))

    assert response.content.decode() == ERROR
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="task-{task.pk}.txt"'


def test_a_success_has_no_text_of_a_failure(admin_client):
    assert admin_client.get(page_url("task_error", make_task().pk)).status_code == 404


def test_the_timeline_tells_of_each_attempt_once(admin_client):
    end = {"worker": "web-2:99", "exception": "shop.errors.CardDeclined", "text": "no money"}
    stopped = NOW + timedelta(minutes=5)
    task = make_failure(
        stopped=stopped,
        begun=stopped - timedelta(seconds=2),
        worker="web-3:4",
        exception="shop.errors.CardDeclined",
        options={"retries": 4},
        attempts=[
            {**end, "time": "2025-05-05T09:00:01+00:00", "attempt": 1},
            "nonsense",
            {**end, "time": stopped.isoformat(), "attempt": 2},
        ],
    )

    response = visit(admin_client, task.pk)

    events = [(str(event.title), event.details) for event in response.context["events"]]
    assert [title for title, _details in events] == ["Enqueued", events[1][0], "Failed"]
    assert "Card<wbr>Declined" in events[1][0]
    assert events[1][1] == "web-2:99 · attempt 1"
    assert events[2][1] == "web-3:4 · 2.0 s · attempt 2"
    assert "3 of 5" in text(response)


def test_a_task_that_waits_is_shown_by_what_its_queue_knows(admin_client, broker):
    put(broker, TASK_ID, priority=7)

    page = text(visit(admin_client))

    assert "Waiting" in page
    assert "shop.send" in page
    assert "Priority 7" in page


def test_a_task_that_runs_shows_its_progress_and_stays_up_to_date(admin_client, broker):
    put(broker, TASK_ID)
    runs = [run(TASK_ID, done=250, total=1000, note="at row 250")]
    beat(broker, running=runs)

    response = visit(admin_client)

    page = text(response)
    assert "Running" in page
    assert "250/1000 25%" in page
    assert "at row 250" in page
    assert "ant:7" in page
    assert 'id="live-task" data-live' in response.content.decode()


def test_a_plain_task_is_found_in_the_queue_that_is_named(admin_client, broker):
    broker.enqueue(payload_of(TASK_ID, 7, chain=[("shop.pack", (), {}), ("shop.bill", (), {})]))

    page = text(visit(admin_client, queue="test"))

    assert "Waiting" in page
    assert "(7,)" in page
    assert "shop.pack → shop.bill" in page


def test_a_failure_that_is_run_again_is_unfinished(admin_client, broker):
    make_failure(id=TASK_ID, stopped=NOW, rerun_at=NOW)
    put(broker, TASK_ID)

    assert "Waiting" in text(visit(admin_client))


def test_a_task_that_is_nowhere_is_told(admin_client):
    page = text(visit(admin_client))

    assert f"No task {TASK_ID} is known" in page


def test_a_task_that_has_ended_is_shown_while_the_broker_is_away(admin_client, conf):
    conf(broker_class=None)  # the settings name a server that nobody runs

    assert "Succeeded" in text(visit(admin_client, make_task().pk))


def test_a_task_links_to_what_it_belongs_to(admin_client):
    task = make_task(group="nightly")
    make_task(id=link_id(task.pk))
    make_schedule(task=task.pk)

    links = {link.title: link for link in visit(admin_client, task.pk).context["links"]}

    assert links["group"].address.endswith("?q=group%3Anightly")
    assert links["Next link of its chain"].text == link_id(task.pk)
    assert links["Schedule"].text == "nightly"
    assert Schedule.objects.count() == 1


@pytest.mark.parametrize(
    ("permission", "make", "status"),
    [
        ("view_success", make_task, 200),
        ("view_success", make_failure, 403),
        ("view_failure", make_failure, 200),
        ("view_failure", make_task, 403),
    ],
)
def test_one_sees_the_tasks_that_one_may_view(client, permission, make, status):
    log_in(client, permission)
    task = make(result=ERROR)

    assert client.get(page_url("task", task.pk)).status_code == status
    if make is make_failure:
        assert client.get(page_url("task_error", task.pk)).status_code == status


OFFERS = [
    (["view_success"], make_task, {}),
    (["view_success", "change_success"], make_task, {"resubmit": "resubmit_success"}),
    (["view_success", "change_failure"], make_task, {}),
    (["view_failure", "delete_failure"], make_failure, {"delete": "delete_failure"}),
]


@pytest.mark.parametrize(("permissions", "make", "offered"), OFFERS)
def test_a_page_offers_what_one_may_order(client, permissions, make, offered):
    log_in(client, *permissions)

    assert visit(client, make().pk).context["offered"] == offered


def test_a_task_that_waits_is_cancelled_with_a_reason(client, broker):
    user = log_in(client, "view_ormq", "cancel_tasks")
    put(broker, TASK_ID)
    assert visit(client).context["offered"] == {"cancel": "cancel"}

    data = {"_selected_action": f"{TASK_ID} ", "queue": "test", "reason": "too late"}
    order(client, "cancel", **data)

    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (user, TASK_ID)
    assert entry.change_message == "Cancelled: removed. Reason: too late"
    assert "cancelled by anna" in text(visit(client))


def test_a_failure_is_resubmitted_under_its_id(client, broker):
    user = log_in(client, "view_failure", "view_ormq", "change_failure")
    make_failure(id=TASK_ID)

    response = order(client, "resubmit_failure")

    assert messages(response) == ["1 task was resubmitted."]
    assert "Waiting" in text(response)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.change_message) == (user, "Resubmitted under its own id.")
    assert entry.content_type.model == Failure._meta.model_name


def test_a_success_is_resubmitted_as_another_task(client, broker):
    log_in(client, "view_success", "change_success")
    make_task(id=TASK_ID)

    order(client, "resubmit_success")

    assert broker.queue_size() == 1
    assert LogEntry.objects.get().change_message.startswith("Resubmitted as ")


def test_a_task_that_can_not_be_called_again_says_why(client, broker):
    log_in(client, "view_success", "change_success")
    make_task(id=TASK_ID, func="nowhere.at_all")

    response = order(client, "resubmit_success")

    assert "was not resubmitted" in messages(response)[0]
    assert broker.queue_size() == 0


def test_a_task_is_deleted_and_its_list_is_shown(client):
    user = log_in(client, "view_success", "delete_success")
    make_task(id=TASK_ID)

    response = order(client, "delete_success")

    assert not Task.objects.exists()
    assert response.redirect_chain == [(page_url("tasks"), 302)]
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.change_message) == (user, TASK_ID, "Deleted.")
    assert entry.content_type.model == Success._meta.model_name


@pytest.mark.parametrize(
    "action", ["cancel", "resubmit_success", "resubmit_failure", "delete_success", "delete_failure"]
)
def test_an_order_without_its_permission_is_forbidden(client, action):
    log_in(client, "view_success", "view_failure", "view_ormq")
    make_task(id=TASK_ID)

    assert order(client, action).status_code == 403
    assert Task.objects.count() == 1


@pytest.mark.parametrize("action", ["resubmit_failure", "delete_failure"])
def test_the_permission_for_failures_does_nothing_to_a_success(client, broker, action):
    log_in(client, "view_success", "change_failure", "delete_failure")
    make_task(id=TASK_ID)

    response = order(client, action)

    assert messages(response) == ["It has not ended, or was deleted."]
    assert (Task.objects.count(), broker.queue_size()) == (1, 0)


def test_no_broker_is_asked_for_the_text_of_a_failure(admin_client, monkeypatch):
    monkeypatch.setattr(found_task, "broker_for", lambda queue: pytest.fail("asked"))

    missing = admin_client.get(page_url("task_error", TASK_ID))

    assert missing.status_code == 404
