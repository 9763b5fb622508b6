"""Which items can be walked, and in which order."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import Group, User
from django.db import models

from django_q.execution.current_task import walks
from django_q.execution.current_task.walks import QueryWalk, walk_of
from django_q.models import Task

pytestmark = pytest.mark.django_db


class Shelf(models.Model):
    """A row whose key is a UUID; it has no table."""

    id = models.UUIDField(primary_key=True)

    class Meta:
        app_label = "invoices"

    def __str__(self) -> str:
        return str(self.pk)


def make_groups(count):
    """Make rows; their keys."""
    return [Group.objects.create(name=f"group {number}").pk for number in range(count)]


def walked(items, position=None, batch=None):
    """Walk to the end; the items, and the last position."""
    walk = walk_of(items, batch)
    walk.start(position)
    steps = list(walk.steps())
    return [item for item, _ in steps], steps[-1][1] if steps else None


def test_rows_are_read_in_parts(django_assert_num_queries, monkeypatch):
    keys = make_groups(5)
    monkeypatch.setattr(walks, "ROWS_PER_QUERY", 2)

    with django_assert_num_queries(3):
        rows, last = walked(Group.objects.all())

    assert [row.pk for row in rows] == keys
    assert last == [5, keys[-1], "auth.group"]


@pytest.mark.parametrize("order", ["-pk", "-id"])
def test_rows_can_be_walked_from_the_last_to_the_first(order):
    keys = make_groups(4)

    rows, _ = walked(Group.objects.order_by(order), [2, keys[2], "auth.group"])

    assert [row.pk for row in rows] == [keys[1], keys[0]]


def test_the_order_of_the_model_does_not_count():
    assert Task._meta.ordering
    for number in (3, 1, 2):
        Task.objects.create(
            id=str(number),
            name="n",
            func="f",
            started="2026-01-01T00:00Z",
            stopped="2026-01-01T00:00Z",
        )

    rows, last = walked(Task.objects.all(), [1, "1", "django_q.task"])

    assert [row.pk for row in rows] == ["2", "3"]
    assert last == [3, "3", "django_q.task"]


def test_the_keys_alone_can_be_walked():
    keys = make_groups(3)

    found, last = walked(Group.objects.values_list("pk", flat=True), [1, keys[0], "auth.group"])

    assert (found, last) == (keys[1:], [3, keys[2], "auth.group"])


def test_a_key_that_json_has_not_is_read_back():
    key = uuid.uuid4()
    walk = QueryWalk(Shelf.objects.all(), None)

    walk.start([1, walk.storable(key), "invoices.shelf"])

    assert walk.storable(key) == str(key)
    assert walk.last == key


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Group.objects.all()[:5], "is sliced"),
        (lambda: Group.objects.order_by("name"), "is ordered by"),
        (lambda: Group.objects.order_by("?"), "is ordered by"),
        (lambda: User.objects.order_by("username", "pk"), "is ordered by"),
        (lambda: Group.objects.all().union(Group.objects.all()), "is a union of others"),
        (lambda: Group.objects.values("pk"), "has values in the place of rows"),
        (lambda: Group.objects.values_list("name", flat=True), "has values in the place of rows"),
    ],
)
def test_what_can_not_be_walked_by_key_is_refused(make, reason):
    with pytest.raises(ValueError, match=reason):
        walk_of(make(), None)


@pytest.mark.parametrize("batch", [0, -1, 1.5, "3", True])
def test_a_batch_that_is_no_number_of_items_is_refused(batch):
    with pytest.raises(ValueError, match="batch must be a whole number from 1 on"):
        walk_of([1], batch)


def test_what_is_no_iterable_is_refused():
    async def items():
        yield 1

    with pytest.raises(TypeError, match="needs an ordinary iterable, got the asynchronous"):
        walk_of(items(), None)
    with pytest.raises(TypeError, match="not iterable"):
        walk_of(5, None)


def test_an_iterator_is_walked_without_being_read_ahead():
    taken = []
    walk = walk_of((taken.append(n) or n for n in range(9)), None)
    walk.start([2])

    steps = walk.steps()

    assert (next(steps), taken) == ((2, [3]), [0, 1, 2])
    assert walk.total(2) is None
