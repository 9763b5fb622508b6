"""Values in the admin: whatever a row holds, its page is shown."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.utils.safestring import mark_safe

from django_q.models import Failure, OrmQ, Success
from django_q.models.columns.stored_values import JSON_MARK
from django_q.signing import SignedPackage
from django_q.status import Stat
from tests.integration.admin.pages import text, url
from tests.integration.admin.rows import make_failure, make_queued, make_task

pytestmark = pytest.mark.django_db


def test_an_exception_saved_by_an_old_version_is_shown(admin_client):
    make_failure(result=ValueError("old"))

    assert "ValueError(&#x27;old&#x27;)" in text(admin_client.get(url(Failure)))


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
