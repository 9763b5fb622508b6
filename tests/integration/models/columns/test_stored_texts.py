"""Names and ids with characters that a database or a server does not take."""

from __future__ import annotations

from typing import Any

import pytest

from django_q import tasks
from django_q.models import Schedule, Success, Task
from django_q.tasks import async_task

pytestmark = pytest.mark.django_db(transaction=True)

#: NUL, which PostgreSQL refuses; half of a character, which nothing takes; each in an id, too.
ODD_NAMES = ("a\x00b", "file-\udc80.txt", "\x00" * 32, "x" * 31 + "\udc80")
LOOKUPS = {
    "fetch": tasks.fetch,
    "fetch, waiting": lambda name: tasks.fetch(name, wait=1),
    "fetch, cached": lambda name: tasks.fetch(name, cached=True),
    "result": tasks.result,
    "fetch_group": tasks.fetch_group,
    "result_group": tasks.result_group,
    "count_group": lambda name: tasks.count_group(name) or None,
    "fetch_unfinished": tasks.fetch_unfinished,
    "Task.get_task": Task.get_task,
    "a row by its key": lambda name: Task.objects.filter(pk__in=[name]).first(),
}


@pytest.fixture(params=["redis", "orm"])
def broker(request: pytest.FixtureRequest, make_broker: Any) -> Any:
    """Give the broker of the settings, empty."""
    return make_broker(request.param)


@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize("name", ODD_NAMES)
def test_what_is_not_there_is_not_found(broker, lookup, name):
    assert LOOKUPS[lookup](name) is None


@pytest.mark.parametrize("name", ODD_NAMES[:2])
def test_a_task_is_found_by_the_name_and_the_group_that_it_was_given(broker, run_once, name):
    async_task("math.copysign", 2, -2, q_options={"task_name": name, "group": name})

    run_once(broker)

    assert tasks.result(name) == tasks.fetch(name).result == -2.0
    assert tasks.result_group(name) == [-2.0]
    assert tasks.count_group(name) == 1
    tasks.delete_group(name, tasks=True)
    assert Success.objects.count() == 0


@pytest.mark.parametrize("name", ODD_NAMES[:2])
def test_a_schedule_is_found_by_the_name_that_it_was_given(name):
    tasks.schedule("math.copysign", 2, -2, name=name)

    assert Schedule.objects.get(name=name).func == "math.copysign"


@pytest.mark.parametrize(
    ("page", "answer"),
    [
        ("/admin/django_q/success/%00/change/", 302),
        ("/q/tasks/%00/", 200),
        ("/q/tasks/%00/error.txt", 404),
    ],
)
def test_the_page_of_what_can_be_no_id_is_that_of_an_unknown_task(admin_client, page, answer):
    assert admin_client.get(page).status_code == answer
