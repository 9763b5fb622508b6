"""Chains whose calls have options of how a task waits."""

from __future__ import annotations

from typing import Any

import pytest

from django_q.calls.producer import submit_once
from django_q.models import Failure, Success
from django_q.signing import SignedPackage
from django_q.tasks import async_chain, async_task, fetch, result_group
from django_q.wire.package import new_package
from tests.tasks import echo

pytestmark = pytest.mark.django_db(transaction=True)

MEMORY = pytest.mark.parametrize("broker", ["memory"], indirect=True)


def unique(key: Any = "key", *args: Any, **options: Any) -> str:
    """Call ``echo`` with a unique key."""
    return async_task(echo, *args, q_options={"unique": key, **options})


@MEMORY
def test_a_chain_gives_its_links_priority_and_track_and_its_first_all_other_options(
    broker, run_once
):
    options = {"priority": 5, "track": True, "unique": "a", "expires": 60}
    async_chain([(echo, (1,)), (echo, (2,))], group="g", q_options=options)
    (first,) = broker.list_tasks()

    run_once(broker)

    (second,) = broker.list_tasks()
    package = SignedPackage.loads(second.payload)
    assert (first.priority, second.priority, second.task_id) == (5, 5, package["id"])
    assert (package["priority"], package["track"]) == (5, True)
    assert not {"unique", "expires"} & package.keys()
    assert second.expires is None


@MEMORY
@pytest.mark.parametrize("option", ["unique", "idempotency_key"])
def test_a_second_chain_gets_the_group_of_the_first(broker, run_all, option):
    chain, options = [(echo, (1,)), (echo, (2,))], {option: "a"}
    first = async_chain(chain, q_options=options)

    assert async_chain(chain, q_options=options) == first
    run_all(broker)
    assert len(result_group(first)) == 2


@MEMORY
def test_a_chain_that_replaces_another_has_its_own_group(broker, run_all):
    options = {"unique": "a", "on_duplicate": "replace"}
    first = async_chain([(echo, (1,))], q_options=options)
    second = async_chain([(echo, (2,)), (echo, (3,))], q_options=options)

    run_all(broker)

    assert (result_group(first), len(result_group(second))) in (([], 2), (None, 2))


@MEMORY
def test_a_link_has_options_of_its_own(broker, run_once):
    async_chain([echo, (echo, (2,), {"q_options": {"priority": 9, "run_after": 60}})])

    run_once(broker)

    (task,) = broker.list_tasks()
    assert (task.priority, task.state) == (9, "delayed")


@MEMORY
def test_a_link_whose_key_another_task_has_ends_its_chain_with_a_row(broker, run_once):
    async_chain([(echo, (1,)), (echo, (2,), {"q_options": {"unique": "a"}})], group="g")
    other = unique("a", run_after=60)

    run_once(broker)

    assert [task.task_id for task in broker.list_tasks()] == [other]
    (failure,) = Failure.objects.all()
    assert f"duplicate of task {other}" in failure.result
    assert failure.exception == "django_q.exceptions.AlreadyEnqueued"
    assert len(result_group("g", failures=True)) == 2


@pytest.mark.parametrize("broker", ["memory", "redis", "orm"], indirect=True)
@pytest.mark.parametrize("on_duplicate", ["existing", "replace", "reject"])
def test_links_of_one_key_run_one_after_the_other(broker, run_all, on_duplicate):
    own = {"q_options": {"unique": "a", "on_duplicate": on_duplicate}}
    async_chain([(echo, (number,), own) for number in range(3)], group="g")

    run_all(broker)

    assert sorted(args for args, _ in result_group("g")) == [(0,), (1,), (2,)]
    assert broker.list_tasks() == []


@MEMORY
def test_a_link_that_replaces_makes_its_call_in_the_place_of_another(broker, run_all):
    link = (echo, (2,), {"q_options": {"unique": "a", "on_duplicate": "replace"}})
    async_chain([(echo, (1,)), link, (echo, (3,))], group="g")
    other = unique("a", run_after=60)

    run_all(broker)

    assert broker.list_tasks() == []
    assert fetch(other).args == (2,)
    assert sorted(task.args for task in Success.objects.filter(group="g")) == [(1,), (2,), (3,)]


@pytest.mark.parametrize("broker", ["custom"], indirect=True)
def test_a_link_with_an_option_that_is_not_served_becomes_a_failure(broker, run_once):
    async_chain([echo, (echo, (2,), {"q_options": {"priority": 9}})])

    run_once(broker)

    (failure,) = Failure.objects.all()
    assert "does not serve the option 'priority'" in failure.result


@MEMORY
def test_a_link_that_is_submitted_again_after_its_end_is_no_duplicate(broker, run_once):
    link = new_package("tests.tasks.echo", (2,), {}, {"unique": "a"})
    submit_once({**link}, broker)
    run_once(broker)
    other = unique("a", run_after=60)

    assert submit_once({**link}, broker) == link["id"]

    assert [task.task_id for task in broker.list_tasks()] == [other]
