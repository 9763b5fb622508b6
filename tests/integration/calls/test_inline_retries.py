"""Tasks that run inline and fail: they are retried at once, without waiting."""

from __future__ import annotations

import time
from typing import Any

import pytest

from django_q.exceptions import TimeoutException
from django_q.models import Task
from django_q.signals import attempt_ended
from django_q.tasks import async_chain, async_iter, async_task, fetch, result
from tests.tasks import hook, hooked

pytestmark = pytest.mark.django_db

RETRIES = {"retries": 3, "retry_delay": 3600}


@pytest.fixture(autouse=True)
def _no_hooks_yet() -> None:
    hooked.clear()


def end_by_limit() -> None:
    """Exceed the time limit of the task that calls this one."""
    error = TimeoutException()
    error.ends_task = True
    raise error


def change(path: str, values: list[int]) -> list[int]:
    """Change an argument, and fail once."""
    values.append(len(values))
    with open(path, "a") as file:
        file.write("run\n")
    with open(path) as file:
        if len(file.readlines()) == 1:
            raise ValueError(values)
    return values


def test_a_failure_is_retried_at_once(tmp_path):
    began = time.monotonic()

    task_id = async_task(
        "tests.tasks.fail_until", str(tmp_path / "runs"), 2, sync=True, hook=hook, q_options=RETRIES
    )

    task = fetch(task_id)
    assert (task.result, task.attempt_count, [end["attempt"] for end in task.attempts]) == (
        3,
        3,
        [1, 2, 3],
    )
    assert [task.success for task in hooked] == [True]
    assert Task.objects.count() == 1
    assert time.monotonic() - began < 60


def test_the_last_failure_is_saved():
    task_id = async_task("tests.tasks.raise_error", sync=True, hook=hook, q_options=RETRIES)

    assert (fetch(task_id).success, fetch(task_id).attempt_count) == (False, 4)
    assert [task.success for task in hooked] == [False]


def test_the_last_failure_is_raised_where_the_settings_say_so(conf, tmp_path):
    conf(sync_raises=True)

    with pytest.raises(ValueError, match="run 4"):
        async_task(
            "tests.tasks.fail_until", str(tmp_path / "runs"), 9, sync=True, q_options=RETRIES
        )


def test_raise_retry_runs_it_again(tmp_path):
    task_id = async_task("tests.tasks.retry_until", str(tmp_path / "runs"), 3, 3600, sync=True)
    endless = async_task("tests.tasks.retry_until", str(tmp_path / "more"), 99, sync=True)

    assert result(task_id) == 4
    assert fetch(endless).attempt_count == 11


def test_each_attempt_gets_the_arguments_of_the_call(tmp_path):
    task_id = async_task(change, str(tmp_path / "runs"), [], sync=True, q_options=RETRIES)

    assert result(task_id) == [0]


def test_each_end_is_told(tmp_path):
    told = []

    def tell(attempt: int, limit: int, is_final: bool, **about: Any) -> None:
        told.append((attempt, limit, is_final))

    attempt_ended.connect(tell)
    async_task("tests.tasks.fail_until", str(tmp_path / "runs"), 1, sync=True, q_options=RETRIES)
    attempt_ended.disconnect(tell)

    assert told == [(1, 4, False), (2, 4, True)]


@pytest.mark.parametrize("func", [end_by_limit, "tests.integration.calls.test_inline_retries.stop"])
def test_what_ends_the_caller_is_not_retried(func):
    with pytest.raises((TimeoutException, KeyboardInterrupt)):
        async_task(func, sync=True, q_options=RETRIES)

    assert Task.objects.get().attempt_count == 1


def stop() -> None:
    """Be ended by Ctrl-C."""
    raise KeyboardInterrupt


def test_max_attempts_alone_retries_nothing_inline():
    task_id = async_task("tests.tasks.raise_error", sync=True, q_options={"max_attempts": 3})

    assert fetch(task_id).attempt_count == 1


def test_chains_and_iterables_go_on_after_the_last_end(tmp_path):
    paths = [str(tmp_path / str(number)) for number in range(4)]
    async_chain(
        [("tests.tasks.fail_until", (path, 1)) for path in paths[:2]], sync=True, q_options=RETRIES
    )
    whole = async_iter(
        "tests.tasks.fail_until", [(path, 2) for path in paths[2:]], sync=True, q_options=RETRIES
    )

    assert result(whole) == [3, 3]
    assert sorted(map(str, Task.objects.values_list("result", flat=True))) == ["2", "2", "[3, 3]"]
