"""Finished tasks in the admin: their lists, pages and filters."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_q.admin import listing
from django_q.models import Failure, Success, Task, pickle_preview
from tests.integration.admin.pages import text, url
from tests.integration.admin.rows import NOW, make_failure, make_task

pytestmark = pytest.mark.django_db


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


TOLD = {
    "exception": "shop.errors.CardDeclined",
    "fingerprint": "9f2c1d0f63b74b7ea8d3d2c0a2f5b1aa",
    "begun": NOW + timedelta(seconds=1),
    "worker": "web-3:4711",
    "options": {"priority": 7, "retries": 4},
    "attempts": [
        {
            "time": "2025-05-05T09:00:00+00:00",
            "worker": "web-2:99",
            "attempt": 1,
            "exception": "shop.errors.CardDeclined",
            "text": "<b>declined</b>",
        },
        {"time": "soon", "worker": 5, "attempt": [1], "exception": "", "text": None},
        "nonsense",
    ],
}


def test_the_page_of_a_task_shows_what_its_row_tells(admin_client):
    task = make_failure(**TOLD)

    page = text(admin_client.get(url(Failure, "change", task.pk)))

    assert "Exception: shop.errors.CardDeclined" in page
    assert f"Fingerprint: {TOLD['fingerprint']} All failures of this kind" in page
    assert "Last attempt began: May 5, 2025 11:00:01" in page
    assert "Worker: web-3:4711" in page
    assert "Options: {&#x27;priority&#x27;: 7, &#x27;retries&#x27;: 4}" in page
    first = "CardDeclined May 5, 2025 11:00:00 · web-2:99 · attempt 1 &lt;b&gt;declined&lt;/b&gt;"
    assert f"Attempts one by one: 3 of 5 {first} OK soon · 5 · attempt [1] Cluster" in page


FRAMEWORK_OPTIONS = {"backend": "default", "queue": "mail & more", "priority": 3}


@pytest.mark.parametrize(("model", "make"), [(Success, make_task), (Failure, make_failure)])
def test_a_task_of_djangos_framework_shows_its_queue_and_its_backend(admin_client, model, make):
    task = make(options=FRAMEWORK_OPTIONS, func="gone.long_ago", cluster="long")

    in_list = text(admin_client.get(url(model)))
    on_page = text(admin_client.get(url(model, "change", task.pk)))

    assert "gone.long_ago long mail &amp; more (default)" in in_list
    assert "Task queue: mail &amp; more (default)" in on_page
    assert "Function: gone.long_ago" in on_page


def test_tasks_of_djangos_framework_are_filtered_by_queue_and_backend(admin_client):
    make_task(options=FRAMEWORK_OPTIONS, func="shop.one")
    make_task(options={"backend": "second", "queue": "slow"}, func="shop.two")
    make_task(options={"priority": 3, "queue": 5}, func="shop.three")
    make_task(func="shop.four")

    def shown(**values: str) -> list[str]:
        page = text(admin_client.get(url(Success), values))
        return [word for word in page.split() if word.startswith("shop.")]

    page = text(admin_client.get(url(Success)))
    assert "By task queue All mail &amp; more slow By task backend All default second" in page
    assert shown(options__queue="slow") == ["shop.two"]
    assert shown(options__backend="default") == ["shop.one"]


def test_a_project_without_tasks_of_the_framework_is_not_shown_their_queues(admin_client, settings):
    settings.TASKS = {"default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}}
    task = make_task()

    with CaptureQueriesContext(connection) as captured:
        page = text(admin_client.get(url(Success)))

    assert "ask queue" not in page
    assert not [query for query in captured.captured_queries if '"queue"' in query["sql"]]
    assert "ask queue" not in text(admin_client.get(url(Success, "change", task.pk)))


def test_the_page_of_a_task_leaves_out_what_its_row_does_not_tell(admin_client):
    task = make_failure()

    page = text(admin_client.get(url(Failure, "change", task.pk)))

    titles = (
        "Exception:",
        "Fingerprint:",
        "Last attempt began:",
        "Worker:",
        "Options:",
        "one by one",
    )
    assert [title for title in titles if title in page] == []


def test_a_list_reads_no_options_and_no_ends_of_attempts(admin_client, settings):
    settings.TASKS = {}  # of tasks of Django's framework it reads two options
    make_failure(**TOLD)

    with CaptureQueriesContext(connection) as captured:
        admin_client.get(url(Failure))

    read = [query["sql"] for query in captured.captured_queries]
    assert not [sql for sql in read if '"options"' in sql or '"attempts"' in sql]


def test_the_list_of_failures_names_the_classes_of_their_exceptions(admin_client):
    make_failure(**TOLD)
    make_failure()

    response = admin_client.get(url(Failure))

    assert '<span title="shop.errors.CardDeclined">Card<wbr>Declined</span>' in (
        response.content.decode()
    )
    assert "By exception All shop.errors.CardDeclined" in text(response)


@pytest.mark.parametrize(
    "query", [{"q": "CardDecl"}, {"exception": TOLD["exception"]}, {"q": TOLD["exception"]}]
)
def test_failures_are_found_by_their_exception(admin_client, query):
    task = make_failure(**TOLD)
    make_failure(exception="builtins.ValueError")

    response = admin_client.get(url(Failure), query)

    assert [row.pk for row in response.context["cl"].result_list] == [task.pk]


def test_the_page_of_a_failure_links_to_those_of_its_kind(admin_client):
    kind = [make_failure(**TOLD).pk, make_failure(**TOLD).pk]
    make_failure(fingerprint="0" * 32)
    page = admin_client.get(url(Failure, "change", kind[0])).content.decode()

    link = re.search(r'href="([^"]+)">All failures of this kind', page)[1]
    response = admin_client.get(link)

    assert {row.pk for row in response.context["cl"].result_list} == set(kind)
    assert "By fingerprint All 9f2c1d0f63b7" in text(response)
    assert "By fingerprint" not in text(admin_client.get(url(Failure)))


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


TRACEBACK = """ValueError('<b>') : Traceback (most recent call last):
  File "/srv/shop/tasks.py", line 12, in charge
    client.post(order)
  File "/usr/lib/python3.12/json/__init__.py", line 80, in loads
    raise ValueError()
ValueError: <b>
"""


def test_the_traceback_of_a_failure_is_opened_at_the_frame_that_counts(admin_client):
    task = make_failure(result=TRACEBACK)

    page = admin_client.get(url(Failure, "change", task.pk)).content.decode()

    assert "<details open><summary><code>/srv/shop/tasks.py:12</code> charge</summary>" in page
    assert page.count("<details open>") == 1
    assert "ValueError(&#x27;&lt;b&gt;&#x27;)" in page
    assert "<b>" not in page


def test_the_buttons_of_a_task_stand_on_top_as_well(admin_client):
    task = make_task()

    page = admin_client.get(url(Success, "change", task.pk)).content.decode()

    assert page.count('name="_resubmit"') == 2
    assert page.index('name="_resubmit"') < page.index("field-name")
