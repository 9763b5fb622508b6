"""Values that a worker has read, and that the monitor can not read any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from django_q.models import Success, Task
from django_q.signals import post_execute, post_execute_in_worker
from django_q.tasks import async_chain, async_iter, async_task, fetch_cached, fetch_group
from tests.tasks import Report, hook, hooked

pytestmark = pytest.mark.django_db(transaction=True)

on_both = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
REPORT = "tests.tasks.Report"
#: How a value begins that is not there.
GONE = "This value can not be read: FileNotFoundError"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    """Give a file that is gone when its task has ended: no report on it can be read then."""
    file = tmp_path / "report"
    file.touch()

    def remove(**kwargs: Any) -> None:
        file.unlink(missing_ok=True)

    post_execute_in_worker.connect(remove)
    yield str(file)
    post_execute_in_worker.disconnect(remove)


@pytest.fixture
def announced() -> Iterator[list[Any]]:
    """List the results that ``post_execute`` tells of."""
    results: list[Any] = []

    def listen(task: dict, **kwargs: Any) -> None:
        results.append(task["result"])

    post_execute.connect(listen)
    yield results
    post_execute.disconnect(listen)


@on_both
def test_hooks_and_receivers_are_told_what_became_of_it(broker, run_once, path, announced):
    hooked.clear()
    async_task(REPORT, path, hook=hook, broker=broker)

    run_once(broker)

    assert broker.lock_size() == 0
    assert Success.objects.get().func == REPORT
    assert hooked[0].args == (path,)
    assert hooked[0].result.startswith(GONE)
    assert announced[0].startswith(GONE)


def test_a_failure_of_such_an_argument_is_told(broker, run_once, path):
    hooked.clear()
    async_task("tests.tasks.raise_error", Report(path), hook=hook, broker=broker)

    run_once(broker)

    assert broker.lock_size() == 0
    assert Task.objects.get().success is False
    assert hooked[0].args.startswith(GONE)


def test_a_cached_result_is_text(broker, run_once, path):
    task_id = async_task(REPORT, path, cached=True, broker=broker)

    run_once(broker)

    assert broker.lock_size() == 0
    assert GONE in fetch_cached(task_id).result


def test_a_link_that_does_not_get_it_runs(broker, run_all, path):
    group = async_chain([(REPORT, (path,)), ("tests.tasks.multiply", (2, 3))])

    run_all(broker)

    assert fetch_group(group)[0].result == 6


def test_a_link_that_was_to_get_it_has_failed(broker, run_all, path):
    group = async_chain([(REPORT, (path,)), "tests.tasks.echo"], pass_result=True)

    run_all(broker)

    failed = fetch_group(group)[0]
    assert (failed.func, failed.success) == ("tests.tasks.echo", False)
    assert "Argument 1 (UnreadableValue)" in failed.result
    assert GONE in failed.result


def test_links_that_can_not_be_read_are_given_up(broker, run_all, path, caplog):
    links = [("tests.tasks.multiply", (2, 3)), ("tests.tasks.echo", (Report(path),))]
    group = async_chain(links)

    run_all(broker)

    assert [task.result for task in fetch_group(group)] == [6]
    assert broker.lock_size() == 0
    assert [m for m in caplog.messages if "the chain behind 'tests.tasks.multiply'" in m]


@on_both
def test_an_item_is_text_in_the_result_of_its_iterable(broker, run_all, path):
    iterable = async_iter(REPORT, [path], hook=hook, broker=broker)

    run_all(broker)

    assert broker.lock_size() == 0
    assert Task.objects.get(id=iterable).result[0].startswith(GONE)
