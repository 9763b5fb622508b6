"""What people see in the admin, and what it costs to show it."""

from __future__ import annotations

import pickle
import re
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from django import forms
from django.contrib.auth.models import Permission, User
from django.core.paginator import Paginator
from django.db import connection
from django.test.html import parse_html
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone as django_timezone
from django.utils.safestring import mark_safe

from django_q.admin import listing
from django_q.admin.widgets import LongSelect
from django_q.models import Failure, OrmQ, Schedule, Success, Task, pickle_preview
from django_q.models.stored_values import JSON_MARK
from django_q.signing import SignedPackage
from django_q.status import Stat

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 5, 5, 9, tzinfo=timezone.utc)
CALLED = []


class Loud:
    """Notes when it is made by unpickling."""

    def __reduce__(self) -> tuple:
        return CALLED.append, (1,)


@pytest.fixture(autouse=True)
def _forget_calls() -> None:
    CALLED.clear()


@pytest.fixture
def orm(conf: Any) -> None:
    """Let the ORM broker take what is enqueued."""
    conf(orm="default")


def make_task(**overrides: Any) -> Task:
    """Save a task that succeeded."""
    values = {
        "id": uuid4().hex,
        "name": "four-human-words-here",
        "func": "tests.tasks.multiply",
        "args": (2, 3),
        "kwargs": {},
        "result": 6,
        "started": NOW,
        "stopped": NOW + timedelta(seconds=1.5),
        "success": True,
    }
    return Task.objects.create(**(values | overrides))


def make_failure(**overrides: Any) -> Task:
    """Save a task that failed."""
    result = "ValueError('as asked') : Traceback (most recent call last) ..."
    return make_task(**({"success": False, "result": result} | overrides))


def make_queued(**overrides: Any) -> OrmQ:
    """Queue a task."""
    package = {"id": uuid4().hex, "name": "queued-name", "func": "tests.tasks.multiply",
               "args": (2, 3), "kwargs": {}, "started": NOW, "group": "g"}  # fmt: skip
    return OrmQ.objects.create(key="test", payload=SignedPackage.dumps(package | overrides))


def make_schedule(**overrides: Any) -> Schedule:
    """Save a daily schedule."""
    values = {"name": "nightly", "func": "tests.tasks.multiply", "args": "2, 3",
              "schedule_type": Schedule.DAILY, "next_run": NOW}  # fmt: skip
    return Schedule.objects.create(**(values | overrides))


def url(model: type, page: str = "changelist", *args: Any) -> str:
    """Find a page of the admin."""
    return reverse(f"admin:django_q_{model._meta.model_name}_{page}", args=args)


def act(client: Any, model: type, action: str, *rows: Any) -> Any:
    """Choose an action for rows of a list."""
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(url(model), data, follow=True)


def text(response: Any) -> str:
    """Read a page without its markup."""
    page = response.content.decode().replace("<wbr>", "")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def messages(response: Any) -> list[str]:
    """List what a page says on top."""
    return [str(message) for message in response.context["messages"]]


def queries(client: Any, address: str) -> int:
    """Count the queries of a page."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


MAKERS = [(Success, make_task), (Failure, make_failure), (OrmQ, make_queued),
          (Schedule, make_schedule)]  # fmt: skip


@pytest.mark.parametrize(("model", "make"), MAKERS)
def test_a_list_and_a_page_are_shown(admin_client, model, make):
    row = make()

    for address in (url(model), url(model, "change", row.pk), url(model, "delete", row.pk)):
        assert admin_client.get(address).status_code == 200


@pytest.mark.parametrize(("model", "make"), MAKERS)
def test_a_list_costs_no_query_per_row(admin_client, model, make):
    last = make_task()
    extra = {"task": last.id} if model is Schedule else {}
    make(**extra)
    one = queries(admin_client, url(model))

    for _ in range(20):
        make(**extra)

    assert queries(admin_client, url(model)) == one


@pytest.mark.parametrize(("model", "make"), MAKERS[:3])
def test_a_list_unpickles_nothing(admin_client, monkeypatch, model, make):
    options = {"result": Loud()} if model is not OrmQ else {}
    make(args=(Loud(),), **options)
    monkeypatch.setattr(pickle, "loads", lambda *args, **kwargs: pytest.fail("unpickled"))

    response = admin_client.get(url(model))

    assert "tests.tasks.multiply" in text(response)
    assert CALLED == []


def test_a_list_does_not_read_what_tasks_carry(admin_client):
    make_task()

    with CaptureQueriesContext(connection) as captured:
        admin_client.get(url(Success))

    assert not [q for q in captured.captured_queries if '"kwargs"' in q["sql"]]


def test_only_schedules_can_be_added(admin_client):
    allowed = [admin_client.get(url(model, "add")).status_code for model, _make in MAKERS]

    assert allowed == [403, 403, 403, 200]


@pytest.mark.parametrize("model", [model for model, _make in MAKERS])
def test_strangers_are_sent_to_the_login(client, model):
    assert client.get(url(model)).status_code == 302


def test_the_list_of_successes_shows_the_time_they_took(admin_client):
    make_task(group="invoices", cluster="long")

    page = text(admin_client.get(url(Success)))

    assert "four-human-words-here invoices tests.tasks.multiply long" in page
    assert "1.5 s" in page


def test_the_list_of_failures_shows_how_their_errors_begin(admin_client):
    make_failure(result="ValueError('as asked') : " + "x" * 500)

    page = text(admin_client.get(url(Failure)))

    assert "ValueError(&#x27;as asked&#x27;) : xxx" in page
    assert "x" * 100 not in page


def test_an_exception_saved_by_an_old_version_is_shown(admin_client):
    make_failure(result=ValueError("old"))

    assert "ValueError(&#x27;old&#x27;)" in text(admin_client.get(url(Failure)))


def test_a_failure_too_large_for_a_list_is_shown_on_its_page(admin_client):
    task = make_failure(result="x" * pickle_preview.MAX_PREVIEW_LENGTH)

    assert "xxx" not in text(admin_client.get(url(Failure)))
    assert "xxx" in text(admin_client.get(url(Failure, "change", task.pk)))


def test_the_page_of_a_task_shows_its_call_and_its_result(admin_client):
    task = make_task(args=(2, "three"), kwargs={"four": [5]}, result={"six": 7})

    page = text(admin_client.get(url(Success, "change", task.pk)))

    assert "(2, &#x27;three&#x27;)" in page
    assert "{&#x27;four&#x27;: [5]}" in page
    assert "{&#x27;six&#x27;: 7}" in page


def test_the_page_of_a_task_whose_classes_are_gone_is_shown(admin_client):
    task = make_task()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_q_task SET result = 'Y25vd2hlcmUKTm90aGluZwopUi4='")

    assert admin_client.get(url(Success, "change", task.pk)).status_code == 200


def test_the_page_of_a_task_whose_result_can_not_be_written_is_shown(admin_client):
    task = make_task(result=Unwritable())

    page = text(admin_client.get(url(Success, "change", task.pk)))

    assert "A Unwritable that can not be shown: ValueError(&#x27;no&#x27;)" in page


class Unwritable:
    """Fails to say what it is."""

    def __repr__(self) -> str:
        raise ValueError("no")


def shared(depth: int = 60) -> tuple:
    """Make a tuple of 127 bytes, pickled, that takes hours to write out."""
    value: tuple = (1,)
    for _ in range(depth):
        value = (value, value)
    return value


ODD = {
    "shared": shared(),
    "large number": 10**5000,
    "half a character": "\udc80 in a text",
    "halves in a list": ["\udc80"],
    "safe text": mark_safe("<script>alert(1)</script>"),
    "long": "x" * 1_000_000,
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("model", [Success, Failure])
def test_the_pages_of_a_task_with_odd_values_are_shown_at_once(admin_client, kind, model):
    value = ODD[kind]
    task = make_task(result=value, args=(value,), kwargs={"x": value}, success=model is Success)
    began = time.monotonic()

    pages = [admin_client.get(url(model, *to)) for to in (("changelist",), ("change", task.pk))]

    assert [page.status_code for page in pages] == [200, 200]
    assert all(b"<script>alert" not in page.content for page in pages)
    assert all(len(page.content) < 400_000 for page in pages)
    assert time.monotonic() - began < 40


@pytest.mark.parametrize("stored", ["[" * 100_000 + "]" * 100_000, "9" * 5000, '"\\udc80"', "{"])
@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_the_pages_of_a_task_with_odd_json_are_shown(admin_client, conf, stored, serializer):
    conf(serializer=serializer)
    task = make_task(success=False)
    with connection.cursor() as cursor:
        sql = "UPDATE django_q_task SET result = %s, args = %s, kwargs = %s"
        cursor.execute(sql, [JSON_MARK + stored] * 3)

    for to in (("changelist",), ("change", task.pk)):
        assert admin_client.get(url(Failure, *to)).status_code == 200


@pytest.mark.parametrize("kind", ODD)
def test_the_pages_of_a_queued_task_with_odd_values_are_shown_at_once(admin_client, kind):
    value = ODD[kind]
    values = dict.fromkeys(("id", "name", "func", "group", "hook", "x"), value)
    queued = make_queued(args=(value,), kwargs={"x": value}, **values)

    pages = [admin_client.get(url(OrmQ, *to)) for to in (("changelist",), ("change", queued.pk))]

    assert [page.status_code for page in pages] == [200, 200]
    assert all(b"<script>alert" not in page.content for page in pages)
    assert all(len(page.content) < 600_000 for page in pages)


@pytest.mark.parametrize("value", [5, None, [1], Stat(1), "text"])
def test_the_pages_of_a_queue_with_what_is_no_package_are_shown(admin_client, value):
    queued = OrmQ.objects.create(key="test", payload=SignedPackage.dumps(value))

    for to in (("changelist",), ("change", queued.pk)):
        assert admin_client.get(url(OrmQ, *to)).status_code == 200


def test_saving_the_page_of_a_task_changes_nothing(admin_client):
    task = make_task()

    with CaptureQueriesContext(connection) as captured:
        admin_client.post(url(Success, "change", task.pk), {"name": "other"})

    assert Task.objects.get().name == task.name
    assert not [q for q in captured.captured_queries if 'UPDATE "django_q_task"' in q["sql"]]


@pytest.mark.parametrize("term", ["four-human", "multiply", "invoices"])
def test_tasks_are_found_by_name_function_and_group(admin_client, term):
    make_task(group="invoices")
    make_task(name="another", func="other", group="others")

    response = admin_client.get(url(Success), {"q": term})

    assert response.context["cl"].result_count == 1


def test_a_task_is_found_by_its_id(admin_client):
    make_task()
    task = make_task()

    response = admin_client.get(url(Success), {"q": task.id})

    assert [row.pk for row in response.context["cl"].result_list] == [task.pk]


def test_tasks_are_filtered_by_the_groups_and_clusters_of_late(admin_client):
    make_task(group="invoices", cluster="long")
    make_task(group="mails")

    page = text(admin_client.get(url(Success)))
    filtered = admin_client.get(url(Success), {"group": "mails"})

    assert "By group All invoices mails" in page
    assert "By cluster All long" in page
    assert filtered.context["cl"].result_count == 1


def test_a_group_that_is_not_of_late_can_still_be_asked_for(admin_client, monkeypatch):
    monkeypatch.setattr(listing, "FILTER_SAMPLE_ROWS", 1)
    make_task(group="old", stopped=NOW - timedelta(days=1))
    make_task(group="new")

    response = admin_client.get(url(Success), {"group": "old"})

    assert response.context["cl"].result_count == 1
    assert "By group All new old" in text(response)


@pytest.mark.parametrize("action", ["resubmit_task", "retry_failed"])
def test_a_resubmitted_failure_is_enqueued_and_gone(admin_client, orm, action):
    task = make_failure(
        group="g", hook="tests.tasks.echo", cluster="long", kwargs={"y": 3}, args=(2,)
    )

    response = act(admin_client, Failure, action, task)

    (queued,) = OrmQ.objects.all()
    assert messages(response) == ["1 task was resubmitted."]
    assert (queued.key, queued.func()) == ("long", "tests.tasks.multiply")
    assert (queued.args(), queued.kwargs()) == ((2,), {"y": 3})
    assert (queued.group(), queued.task["hook"]) == ("g", "tests.tasks.echo")
    assert not Failure.objects.exists()


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
    assert not Failure.objects.exists()


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
     (Failure, make_failure, "retry_failed"), (Schedule, make_schedule, "run_now"),
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


def test_the_list_of_schedules_tells_how_the_last_run_went(admin_client):
    task = make_failure()
    make_schedule(task=task.id)

    page = admin_client.get(url(Schedule)).content.decode()

    assert url(Failure, "change", task.pk) in page
    assert 'alt="False"' in page


@pytest.mark.parametrize(
    ("values", "state"),
    [({}, "Active"), ({"paused": True}, "Paused"), ({"repeats": 0}, "Done"),
     ({"next_run": None}, "Done"), ({"error": "no such function", "paused": True}, "Failed"),
     ({"error": "no answer"}, "Trying again")],
)  # fmt: skip
def test_the_list_of_schedules_tells_their_state(admin_client, values, state):
    make_schedule(**values)

    assert f" {state} " in text(admin_client.get(url(Schedule)))


def test_a_schedule_that_failed_tells_why(admin_client):
    schedule = make_schedule(error="There is no function 'shop.gone'.")

    assert "no function &#x27;shop.gone&#x27;" in text(
        admin_client.get(url(Schedule, "change", schedule.pk))
    )


def test_a_schedule_is_run_now_and_its_due_time_stays(admin_client, orm):
    schedule = make_schedule(hook="tests.tasks.echo", cluster="long", intended_date_kwarg="due",
                             kwargs="y=4, q_options={'timeout': 9}")  # fmt: skip

    response = act(admin_client, Schedule, "run_now", schedule)

    (queued,) = OrmQ.objects.all()
    schedule.refresh_from_db()
    due = datetime.fromisoformat(queued.kwargs().pop("due"))
    assert messages(response) == ["1 task was enqueued."]
    assert (queued.key, queued.args(), queued.kwargs()["y"]) == ("long", (2, 3), 4)
    assert queued.task["hook"] == "tests.tasks.echo"
    assert (queued.group(), queued.task["timeout"]) == ("nightly", 9)
    assert abs(django_timezone.now() - due) < timedelta(minutes=1)
    assert (schedule.task, schedule.next_run) == (queued.task_id(), NOW)


def test_a_schedule_with_broken_arguments_is_named_and_does_not_stop_the_others(admin_client, orm):
    broken = make_schedule(name="broken", args="open('x')")
    whole = make_schedule()

    response = act(admin_client, Schedule, "run_now", broken, whole)

    assert messages(response)[-1] == "1 task was enqueued."
    assert messages(response)[0].startswith("broken: args must be Python literals")


def test_a_schedule_is_paused_and_resumed_at_its_next_due_time(admin_client):
    schedule = make_schedule()

    act(admin_client, Schedule, "pause", schedule)
    schedule.refresh_from_db()
    assert schedule.paused

    Schedule.objects.update(error="failed")
    act(admin_client, Schedule, "resume", schedule)
    schedule.refresh_from_db()
    assert (schedule.paused, schedule.error) == (False, None)
    assert timedelta(0) < schedule.next_run - django_timezone.now() <= timedelta(hours=25)
    assert schedule.next_run.astimezone(schedule.zone).hour == NOW.astimezone(schedule.zone).hour


def test_a_schedule_is_resumed_by_its_form(admin_client):
    schedule = make_schedule(paused=True, error="failed")

    admin_client.post(url(Schedule, "change", schedule.pk), form())

    schedule.refresh_from_db()
    assert (schedule.paused, schedule.error) == (False, None)
    assert schedule.next_run > django_timezone.now()


def form(**values: Any) -> dict[str, Any]:
    """Fill in the form of a schedule."""
    filled = {"name": "nightly", "func": "tests.tasks.multiply", "schedule_type": "D",
              "repeats": "-1", "next_run_0": "2025-05-05", "next_run_1": "11:00:00",
              "overlap": "allow"}  # fmt: skip
    return filled | values


def test_a_schedule_is_added(admin_client):
    admin_client.post(url(Schedule, "add"), form(time_zone="America/New_York", args="2, 3"))

    schedule = Schedule.objects.get()
    assert (schedule.time_zone, schedule.next_run) == ("America/New_York", NOW)


def test_a_cron_schedule_is_added_and_due_by_its_expression(admin_client):
    admin_client.post(url(Schedule, "add"), form(schedule_type="C", cron="0 0 1 1 *"))

    assert Schedule.objects.get().next_run > django_timezone.now()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"schedule_type": "C"}, "needs a cron expression"),
        ({"schedule_type": "C", "cron": "x"}, "must look like"),
        ({"schedule_type": "I"}, "needs a number above 0"),
        ({"args": "open('x')"}, "must be Python literals"),
        ({"time_zone": "Europe/Atlantis"}, "is not known here"),
    ],
)
def test_a_schedule_that_can_not_work_is_refused(admin_client, values, expected):
    response = admin_client.post(url(Schedule, "add"), form(**values))

    assert expected in text(response)
    assert not Schedule.objects.exists()


def test_a_changed_cron_expression_sets_the_next_run(admin_client):
    schedule = make_schedule(schedule_type="C", cron="0 0 1 1 *", error="old", anchor=NOW)
    Schedule.objects.update(next_run=NOW)

    admin_client.post(
        url(Schedule, "change", schedule.pk), form(schedule_type="C", cron="0 5 1 1 *")
    )

    schedule.refresh_from_db()
    assert schedule.next_run.astimezone(schedule.zone).hour == 5
    assert (schedule.error, schedule.anchor) == (None, None)


def test_a_schedule_that_was_not_changed_keeps_its_anchor(admin_client):
    due = NOW + timedelta(microseconds=7)  # which a form can not show
    schedule = make_schedule(next_run=due, anchor=due - timedelta(days=3))

    admin_client.post(url(Schedule, "change", schedule.pk), form(func="other"))

    schedule.refresh_from_db()
    assert (schedule.func, schedule.next_run) == ("other", due)
    assert schedule.anchor == due - timedelta(days=3)


def test_a_schedule_is_saved_and_run_from_its_page(admin_client, orm):
    schedule = make_schedule()

    admin_client.post(url(Schedule, "change", schedule.pk), form(args="4, 5", _run="1"))

    assert OrmQ.objects.get().args() == (4, 5)


def test_without_croniter_a_cron_expression_can_only_be_read(admin_client, monkeypatch):
    monkeypatch.setattr("django_q.admin.schedules.croniter", None)
    schedule = make_schedule()

    page = admin_client.get(url(Schedule, "change", schedule.pk)).content.decode()

    assert 'name="cron"' not in page


def test_the_queue_shows_its_tasks(admin_client):
    queued = make_queued()
    OrmQ.objects.create(key="test", payload="junk")

    page = text(admin_client.get(url(OrmQ)))

    assert f"queued-name g tests.tasks.multiply Waiting - 0 {queued.task_id()}" in page
    assert "*BadSignature" in page


def test_a_large_task_is_shown_without_reading_it(admin_client):
    queued = make_queued(args=("x" * pickle_preview.MAX_PREVIEW_LENGTH,))

    page = text(admin_client.get(url(OrmQ)))

    assert f"({len(queued.payload)} characters)" in page


def test_a_function_that_was_enqueued_itself_is_named(admin_client):
    make_queued(func=make_task, started=Loud())

    assert f"{__name__}.make_task" in text(admin_client.get(url(OrmQ)))


def test_a_task_is_deleted_from_the_queue(admin_client):
    queued = make_queued()

    admin_client.post(url(OrmQ, "delete", queued.pk), {"post": "yes"})

    assert not OrmQ.objects.exists()


def test_tasks_are_deleted_from_the_queue_together(admin_client):
    make_queued()
    rows = [make_queued(), make_queued()]

    data = {"action": "delete_selected", "_selected_action": [r.pk for r in rows], "post": "yes"}
    admin_client.post(url(OrmQ), data)

    assert OrmQ.objects.count() == 1


def test_queue_and_lock_of_a_queued_task_can_be_changed(admin_client):
    queued = make_queued()
    data = {"key": "long", "lock_0": "2025-05-05", "lock_1": "11:00:00"}

    admin_client.post(url(OrmQ, "change", queued.pk), data)

    changed = OrmQ.objects.get()
    assert (changed.key, changed.lock, changed.payload) == ("long", NOW, queued.payload)


def test_a_small_list_is_counted_exactly():
    for _ in range(3):
        make_task()

    assert listing.rough_count(Success.objects.all()) == 3


def test_a_long_list_is_not_counted_to_its_end(monkeypatch):
    monkeypatch.setattr(listing, "MAX_COUNTED_ROWS", 5)
    for _ in range(7):
        make_task()

    assert listing.rough_count(Success.objects.all()) == 5


@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_postgresql_estimates_a_long_list(monkeypatch):
    monkeypatch.setattr(listing, "EXACT_COUNT_ROWS", 10)
    for _ in range(200):
        make_task()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE django_q_task")

    with CaptureQueriesContext(connection) as captured:
        number = listing.RoughPaginator(Success.objects.all(), 100).count

    assert 150 <= number <= 250
    assert [query["sql"][:7] for query in captured.captured_queries] == ["EXPLAIN"]
    assert isinstance(listing.RoughPaginator([], 1), Paginator)


def test_a_long_select_is_what_django_makes_of_one():
    choices = [("", "Any"), ("Europe/Oslo", 'It\'s "there" & <here>'), (3, "three")]
    attributes = {"id": "id_zone", "required": True}

    for chosen in ("", "Europe/Oslo", 3, None, "unknown"):
        long, ordinary = (
            parse_html(kind(choices=choices).render("zone", chosen, attributes))
            for kind in (LongSelect, forms.Select)
        )
        assert long == ordinary
