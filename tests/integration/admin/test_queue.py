"""The queue of the ORM broker in the admin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_q.dashboard.display import near_time
from django_q.models import OrmQ, pickle_preview
from tests.integration.admin.pages import act, messages, text, url
from tests.integration.admin.rows import NOW, Loud, make_queued, make_task

pytestmark = pytest.mark.django_db


def test_the_queue_shows_its_tasks(admin_client):
    queued = make_queued()
    OrmQ.objects.create(key="test", payload="junk")

    page = text(admin_client.get(url(OrmQ)))

    assert f"queued-name g tests.tasks.multiply Waiting 0 0 {queued.task_id()}" in page
    assert "*BadSignature" in page


def test_the_queue_shows_state_priority_and_expiry(admin_client):
    later, tomorrow = timezone.now() + timedelta(days=2), timezone.now() + timedelta(days=3)
    make_queued(lock=NOW, attempts=3, rank=-40)
    make_queued(lock=later, expires=tomorrow)
    make_queued(lock=later, delivery=1, attempts=1, rank=7)
    make_queued(lock=later, delivery=2, attempts=2)
    at, end = (near_time(time).replace("\N{NO-BREAK SPACE}", " ") for time in (later, tomorrow))

    page = text(admin_client.get(url(OrmQ)))

    assert " Waiting 3 40 " in page  # its lease has ended
    assert f" Delayed until {at} expires {end} 0 0 " in page
    assert f" Leased until {at} 1 -7 " in page
    assert f" Delayed until {at} 2 0 " in page  # until its next attempt


def test_a_row_without_a_rank_has_no_priority(admin_client):
    make_queued(rank=None)

    assert " Waiting 0 0 " in text(admin_client.get(url(OrmQ)))


def test_a_large_task_is_shown_without_reading_it(admin_client):
    queued = make_queued(args=("x" * pickle_preview.MAX_PREVIEW_LENGTH,))

    page = text(admin_client.get(url(OrmQ)))

    assert f"({len(queued.payload)} characters)" in page


def test_a_function_that_was_enqueued_itself_is_named(admin_client):
    make_queued(func=make_task, started=Loud())

    assert f"{make_task.__module__}.make_task" in text(admin_client.get(url(OrmQ)))


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


def test_a_task_that_was_put_aside_does_not_wait_and_says_why(admin_client):
    OrmQ.objects.create(key="test:dead", payload="junk")

    page = text(admin_client.get(url(OrmQ)))

    assert " Put aside BadSignature " in page
    assert "Waiting" not in page


def test_tasks_that_were_put_aside_are_put_back(admin_client):
    aside = OrmQ.objects.create(key="test:dead", payload="junk", attempts=4)
    other = make_queued(attempts=2)

    response = act(admin_client, OrmQ, "put_back", aside, other)

    assert messages(response) == ["1 task was put back."]
    assert {(row.key, row.attempts, row.lock) for row in OrmQ.objects.all()} == {
        ("test", 0, None),
        ("test", 2, None),
    }


def test_a_task_that_was_not_put_aside_is_not_put_back(admin_client):
    response = act(admin_client, OrmQ, "put_back", make_queued())

    assert messages(response) == ["None of the selected tasks was put aside."]


@pytest.mark.parametrize("term", ["send-it", "SHOP.MAIL", "invoices", "1" * 32, "long"])
def test_a_search_looks_into_the_tasks_of_the_queue(admin_client, term):
    wanted = make_queued(name="send-it", func="shop.mail.send", group="invoices", id="1" * 32)
    OrmQ.objects.update(key="long")
    make_queued()

    response = admin_client.get(url(OrmQ), {"q": term})

    assert [row.pk for row in response.context["cl"].result_list] == [wanted.pk]


def test_a_search_reads_the_newest_tasks_alone(admin_client, monkeypatch):
    monkeypatch.setattr("django_q.admin.queue.MAX_SEARCHED_TASKS", 1)
    make_queued(name="send-it")
    newest = make_queued(name="send-it")

    response = admin_client.get(url(OrmQ), {"q": "send-it"})

    assert [row.pk for row in response.context["cl"].result_list] == [newest.pk]
