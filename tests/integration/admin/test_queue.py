"""The queue of the ORM broker in the admin."""

from __future__ import annotations

import pytest

from django_q.models import OrmQ, pickle_preview
from tests.integration.admin.pages import text, url
from tests.integration.admin.rows import NOW, Loud, make_queued, make_task

pytestmark = pytest.mark.django_db


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
