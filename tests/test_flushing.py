"""Emptying the tables after a test."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import connection
from django.test import TransactionTestCase
from django.utils import timezone

from django_q.models import Task
from tests import flushing


@pytest.fixture
def case(transactional_db: None) -> TransactionTestCase:
    """Give a test whose tables are as ``flush`` leaves them."""
    case = TransactionTestCase(methodName="run")
    flushing.empty_tables(case)
    return case


def permissions() -> list[tuple[int, str]]:
    return list(Permission.objects.order_by("pk").values_list("pk", "codename"))


def test_what_a_test_has_filled_is_emptied_and_what_migrate_has_made_stays(case):
    made = permissions()
    now = timezone.now()
    Task.objects.create(id="a" * 32, name="n", func="f", started=now, stopped=now, success=True)
    User.objects.create_user("anna").user_permissions.set(Permission.objects.all()[:2])

    flushing.empty_tables(case)

    filled = (Task, User, User.user_permissions.through)
    assert not any(model.objects.exists() for model in filled)
    assert permissions() == made != []


def test_a_permission_that_a_test_has_deleted_is_made_again(case):
    made = [name for _, name in permissions()]
    Permission.objects.all()[0].delete()

    flushing.empty_tables(case)

    assert sorted(name for _, name in permissions()) == sorted(made)


def test_a_table_that_is_gone_hides_no_other(case, monkeypatch):
    monkeypatch.setitem(flushing._left["default"], "no_such_table", 0)
    User.objects.create_user("anna")

    flushing.empty_tables(case)

    assert User.objects.count() == 0
    assert "no_such_table" not in flushing._left["default"]


def test_a_table_that_was_not_there_is_emptied_too(case, monkeypatch):
    monkeypatch.delitem(flushing._left["default"], Task._meta.db_table)
    now = timezone.now()
    Task.objects.create(id="a" * 32, name="n", func="f", started=now, stopped=now, success=True)

    flushing.empty_tables(case)

    assert not Task.objects.exists()
    assert Task._meta.db_table in flushing._left["default"]


def test_what_is_left_by_a_flush_is_nothing_of_a_test(case):
    now = timezone.now()
    Task.objects.create(id="a" * 32, name="n", func="f", started=now, stopped=now, success=True)

    left = flushing.rows_left(connection)

    assert left[Task._meta.db_table] == 0
    assert left[Permission._meta.db_table] == Permission.objects.count()


def test_the_cache_is_emptied():
    cache.set("key", "value")

    flushing.empty_cache()

    assert cache.get("key") is None
