"""Tasks that are retried: what is kept of their ends, and that all else sees the last one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from django_q.completion import completion as completion_module
from django_q.completion.completion import complete
from django_q.models import Failure, Part, Task
from django_q.results import parts
from django_q.signals import attempt_ended, post_execute
from django_q.tasks import (
    async_chain,
    async_iter,
    async_task,
    count_group,
    fetch,
    result,
)
from tests.integration.brokers.contract.passing_time import let_pass
from tests.integration.completion.executed_items import execute_waiting, fail_on_submit
from tests.tasks import hook, hooked

pytestmark = pytest.mark.django_db(transaction=True)

on_each = pytest.mark.parametrize("broker", ["memory", "redis", "orm"], indirect=True)
in_memory = pytest.mark.parametrize("broker", ["memory"], indirect=True)

#: Retried at once, as often as a test likes.
AT_ONCE = {"retries": 9, "retry_delay": 0}


@pytest.fixture(autouse=True)
def _no_hooks_yet() -> None:
    hooked.clear()


@pytest.fixture
def ends() -> Any:
    """Collect what ``attempt_ended`` tells."""
    told = []

    def tell(task: dict, **about: Any) -> None:
        names = ("attempt", "limit", "retry_in", "is_final")
        told.append((task["success"], *(about[name] for name in names)))

    attempt_ended.connect(tell)
    yield told
    attempt_ended.disconnect(tell)


@on_each
def test_a_task_that_fails_is_run_again_until_it_succeeds(broker, run_all, tmp_path):
    path = str(tmp_path / "runs")
    task_id = async_task("tests.tasks.fail_until", path, 2, hook=hook, q_options=AT_ONCE)

    run_all(broker)

    task = fetch(task_id)
    assert (task.success, task.result, task.attempt_count) == (True, 3, 3)
    assert [task.id for task in hooked] == [task_id]
    assert Task.objects.count() == 1
    assert broker.queue_size() == broker.lock_size() == 0


@on_each
def test_the_row_says_how_each_attempt_has_ended(broker, run_all, tmp_path):
    path = str(tmp_path / "runs")
    task_id = async_task("tests.tasks.fail_until", path, 2, q_options=AT_ONCE)

    run_all(broker)

    ends = fetch(task_id).attempts
    assert [end["attempt"] for end in ends] == [1, 2, 3]
    assert [end["exception"] for end in ends] == ["ValueError", "ValueError", ""]
    assert ends[0]["text"].startswith("ValueError('run 1') : Traceback")
    assert [end["worker"] for end in ends] == [fetch(task_id).worker] * 3
    times = [datetime.fromisoformat(end["time"]) for end in ends]
    assert times == sorted(times)
    assert times[-1] == fetch(task_id).stopped


@on_each
def test_a_task_that_goes_on_failing_ends_after_its_retries(broker, run_all):
    options = {**AT_ONCE, "retries": 2}
    task_id = async_task("tests.tasks.raise_error", hook=hook, q_options=options)

    run_all(broker)

    task = fetch(task_id)
    assert (task.success, task.attempt_count, len(task.attempts)) == (False, 3, 3)
    assert [task.success for task in hooked] == [False]
    assert Failure.objects.count() == 1
    assert broker.queue_size() == broker.lock_size() == 0


@on_each
def test_it_waits_for_its_delay_and_nobody_else_does(broker, run_all, tmp_path):
    path = str(tmp_path / "runs")
    options = {"retries": 3, "retry_delay": 30, "retry_jitter": 0}
    task_id = async_task("tests.tasks.fail_until", path, 2, q_options=options)
    other = async_task("tests.tasks.multiply", 2, 3)

    run_all(broker)
    assert (fetch(task_id), result(other)) == (None, 6)

    for seconds in (31, 61):  # it is doubled
        let_pass(broker, seconds - 3)
        run_all(broker)
        assert fetch(task_id) is None
        let_pass(broker, 3)
        run_all(broker)
    assert result(task_id) == 3


@on_each
def test_failures_of_one_delay_are_released_together(broker, monkeypatch):
    for _ in range(5):
        async_task("tests.tasks.raise_error", q_options={"retries": 1, "retry_jitter": 0})
    packages, calls = execute_waiting(broker), []
    release = broker.release
    monkeypatch.setattr(broker, "release", lambda *a, **b: [calls.append(b), release(*a, **b)][1])

    complete(packages, broker, fail_on_submit)

    assert [(call["delay"], len(call["states"])) for call in calls] == [(10, 5)]


@in_memory
def test_the_project_may_retry_all_tasks(broker, run_all, conf, tmp_path):
    conf(retries=3, retry_delay=0)
    task_id = async_task("tests.tasks.fail_until", str(tmp_path / "runs"), 2)

    run_all(broker)

    assert result(task_id) == 3


@on_each
def test_a_task_without_options_asks_for_another_run(broker, run_all, tmp_path):
    path = str(tmp_path / "runs")
    task_id = async_task("tests.tasks.retry_until", path, 2, 0)
    endless = async_task("tests.tasks.retry_until", str(tmp_path / "more"), 99, 0)

    run_all(broker)

    assert (result(task_id), len(fetch(task_id).attempts)) == (3, 3)
    task = fetch(endless)
    assert (task.attempt_count, task.exception) == (11, "django_q.exceptions.Retry")
    assert [end["attempt"] for end in task.attempts] == list(range(2, 12))  # the last ten


@in_memory
def test_a_time_that_is_none_fails_the_task_and_says_why(broker, run_all, tmp_path):
    task_id = async_task("tests.tasks.retry_until", str(tmp_path / "runs"), 9, "soon")

    run_all(broker)

    text = fetch(task_id).result
    assert text.startswith("Retry(after=...) must be a number of seconds from 0 on")
    assert "got 'soon'. The task is not run again. Retry('run 1') : Traceback" in text


@in_memory
def test_an_exception_that_is_not_to_be_retried_ends_a_task(broker, run_all):
    ids = [
        async_task("tests.tasks.raise_error", q_options={**AT_ONCE, **names})
        for names in ({"no_retry_on": ValueError}, {"retry_on": ["OSError", "a.b.Error"]})
    ]

    run_all(broker)

    assert [fetch(task_id).attempt_count for task_id in ids] == [1, 1]
    assert [fetch(task_id).attempts for task_id in ids] == [None, None]


@in_memory
def test_each_end_is_told_with_its_number_and_whether_it_is_the_last(
    broker, run_all, tmp_path, ends
):
    path = str(tmp_path / "runs")
    options = {**AT_ONCE, "retries": 3}
    async_task("tests.tasks.fail_until", path, 1, q_options=options)
    async_task("tests.tasks.multiply", 2, 3)

    run_all(broker)

    assert sorted(ends) == [
        (False, 1, 4, 0, False),
        (True, 1, None, None, True),
        (True, 2, 4, None, True),
    ]


@in_memory
def test_receivers_that_raise_stop_nothing(broker, run_all, caplog):
    def fail(**about: Any) -> None:
        raise KeyboardInterrupt

    attempt_ended.connect(fail)
    try:
        task_id = async_task("tests.tasks.raise_error", q_options={**AT_ONCE, "retries": 1})
        run_all(broker)
    finally:
        attempt_ended.disconnect(fail)

    assert fetch(task_id).attempt_count == 2
    assert caplog.text.count("attempt_ended") >= 2


@in_memory
def test_post_execute_is_sent_for_each_end_as_it_always_was(broker, run_all, tmp_path):
    told = []

    def tell(task: dict, **about: Any) -> None:
        told.append(task["success"])

    post_execute.connect(tell)
    try:
        async_task("tests.tasks.fail_until", str(tmp_path / "runs"), 2, q_options=AT_ONCE)
        run_all(broker)
    finally:
        post_execute.disconnect(tell)

    assert told == [False, False, True]


@in_memory
def test_the_log_says_when_it_is_tried_again(broker, run_once, caplog, conf):
    options = {"retries": 3, "retry_delay": 30, "retry_jitter": 0}
    async_task("tests.tasks.raise_error", q_options=options)
    async_task("tests.tasks.raise_error", q_options={"max_attempts": 2})
    conf(retry=45, bulk=2)

    run_once(broker)

    assert ", to be tried again in 30 s (attempt 2 of 4) - ValueError(" in caplog.text
    assert ", to be tried again in 45 s (attempt 2 of 2) - ValueError(" in caplog.text


@on_each
def test_a_chain_goes_on_after_a_link_was_retried_each_link_once(broker, run_all, tmp_path):
    paths = [str(tmp_path / name) for name in ("first", "second", "third")]
    calls = [("tests.tasks.fail_until", (path, 2)) for path in paths]
    group = async_chain(calls, q_options={**AT_ONCE, "retries": 2})

    run_all(broker)

    assert [task.result for task in Task.objects.order_by("stopped")] == [3, 3, 3]
    assert count_group(group) == 3
    assert count_group(group, failures=True) == 0


@on_each
def test_an_iterable_sees_the_last_end_of_each_item(broker, run_all, tmp_path):
    arguments = [(str(tmp_path / str(number)), number) for number in range(3)]
    whole = async_iter("tests.tasks.fail_until", arguments, hook=hook, q_options=AT_ONCE)

    run_all(broker)

    assert result(whole) == [1, 2, 3]
    assert [task.id for task in hooked] == [whole]
    assert Part.objects.count() == 0


@on_each
@pytest.mark.parametrize("claims_first", [0, 1])
def test_a_retried_item_does_not_take_over_what_another_monitor_collates(
    broker, monkeypatch, tmp_path, claims_first
):
    """The second monitor completes its item while the first calls the hook, as long as that takes.

    Only after a lost delivery a claim that is old enough is taken over.
    """
    monkeypatch.setattr(parts, "COLLATION_CLAIM_SECONDS", 0)
    arguments = [(str(tmp_path / "a"), 0), (str(tmp_path / "b"), 1)]
    async_iter("tests.tasks.fail_until", arguments, hook=hook, q_options=AT_ONCE)
    plain, failed = sorted(execute_waiting(broker), key=lambda package: not package["success"])
    complete([failed], broker, fail_on_submit)
    (retried,) = execute_waiting(broker)
    assert (retried["attempt"], retried["success"]) == (2, True)
    first, second = (plain, retried) if claims_first == 0 else (retried, plain)
    run_follow_ups = completion_module.run_follow_ups

    def complete_other_meanwhile(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(completion_module, "run_follow_ups", run_follow_ups)
        complete([second], broker, fail_on_submit)
        return run_follow_ups(*arguments, **options)

    # Both parts are there before either looks, as with two monitors that save at once.
    parts.add([plain, retried])
    monkeypatch.setattr(completion_module, "run_follow_ups", complete_other_meanwhile)
    complete([first], broker, fail_on_submit)

    assert [task.result for task in hooked] == [[1, 2]]
    assert Task.objects.count() == 1
    assert broker.lock_size() == 0
