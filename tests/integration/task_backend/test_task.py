"""Tasks of Django's framework are called by the functions of this project, by name."""

from __future__ import annotations

from typing import Any

import pytest

from django_q.exceptions import PackageError
from django_q.models import Schedule, Task
from django_q.signing import SignedPackage
from django_q.tasks import (
    AsyncTask,
    Chain,
    Iter,
    async_batch,
    async_chain,
    async_iter,
    async_task,
    result,
    result_group,
    schedule,
)
from tests import framework_tasks
from tests.framework_tasks import add, add_async, keep, task, tell

pytestmark = pytest.mark.django_db(transaction=True)

SERIALIZERS = pytest.mark.parametrize("serializer", ["pickle", "json"])


@pytest.fixture(autouse=True)
def _serializer(request: pytest.FixtureRequest, conf: Any) -> None:
    if "serializer" in request.fixturenames:
        conf(serializer=request.getfixturevalue("serializer"))


@SERIALIZERS
def test_async_task_calls_the_function_of_a_task_by_its_path(broker, run_all, serializer):
    task_id, other_id = async_task(add, 1, y=2), async_task(add_async, 3, 4)
    paths = {SignedPackage.loads(each.payload)["func"] for each in broker.list_tasks()}

    run_all(broker)

    assert paths == {"tests.framework_tasks.add", "tests.framework_tasks.add_async"}
    assert (result(task_id), result(other_id)) == (3, 7)
    assert Task.objects.get(id=task_id).func == "tests.framework_tasks.add"


def test_async_task_takes_the_path_of_a_task(broker, run_all):
    task_id = async_task("tests.framework_tasks.add", 1, 2)

    run_all(broker)

    assert result(task_id) == 3


@SERIALIZERS
def test_chains_iterables_and_batches_take_tasks(broker, run_all, serializer):
    group = async_chain([(add, (1, 2)), add_one], pass_result=True)
    iterable = async_iter(add, [1, 2])
    chain = Chain()
    chain.append(add, 5)
    chained = chain.run()
    each = Iter(add)
    each.append(7)
    iterated = each.run()
    call = AsyncTask(add, 9)
    called = call.run()
    batch = async_batch([(add, (10,)), add_one_call()])

    run_all(broker)

    assert sorted(result_group(group)) == [3, 4]
    assert result(iterable) == [1, 2]
    assert list(result_group(chained)) == [5]
    assert (result(iterated), result(called)) == ([7], 9)
    assert [result(task_id) for task_id in batch] == [10, 11]


def add_one(x: int) -> int:
    """Return the next number; a link."""
    return x + 1


def add_one_call() -> Any:
    """Make a call of a task for a batch."""
    return (add, (11,), {})


@SERIALIZERS
def test_a_hook_may_be_a_task(broker, run_all, serializer):
    framework_tasks.HOOKED.clear()

    task_id = async_task(add, 1, hook=keep)
    run_all(broker)

    assert [finished.id for finished in framework_tasks.HOOKED] == [task_id]


def test_a_schedule_takes_a_task(broker):
    made = schedule(add, 1, y=2, hook=keep)

    assert (made.func, made.hook) == ("tests.framework_tasks.add", "tests.framework_tasks.keep")
    assert Schedule.objects.count() == 1


def test_a_task_made_around_a_plain_function_is_called_by_its_path(broker, run_all):
    task_id = async_task(task(framework_tasks.plain), 4)

    run_all(broker)

    assert result(task_id) == 8


def test_sync_calls_the_function_of_a_task(broker):
    assert result(async_task(add, 1, 2, sync=True)) == 3


def test_a_task_that_takes_the_context_is_refused(broker):
    with pytest.raises(PackageError, match=r"'tests.framework_tasks.tell' takes the context"):
        async_task(tell)
    with pytest.raises(PackageError, match="takes the context"):
        async_chain([add, tell])


def test_a_task_that_no_worker_finds_is_refused(broker):
    with pytest.raises(PackageError, match="importable by name"):
        async_task(task(framework_tasks.nameless))
