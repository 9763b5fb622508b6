"""Context variables and caches that a task has opened."""

from __future__ import annotations

import pytest
from django.core.cache import caches
from django.test.utils import override_settings

from django_q.foreign_code.task_context import in_own_context
from django_q.tasks import async_task, result
from tests.foreign import SETTING

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_context_variable_that_a_task_sets_ends_with_it(broker, run_all):
    ids = [async_task("tests.foreign.set_variable", "a") for _ in range(2)]
    ids += [async_task("tests.foreign.set_variable", "b", sync=True)]

    run_all(broker)

    assert [result(task_id) for task_id in ids] == ["none"] * 3
    assert SETTING.get() == "none"


@override_settings(
    CACHES={
        name: {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
        for name in ("default", "other")
    }
)
def test_a_cache_that_a_task_has_opened_stays():
    found = in_own_context(caches.__getitem__, "other")

    assert caches["other"] is found
