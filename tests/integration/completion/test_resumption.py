"""A task that is delivered again, of which something was done before."""

from __future__ import annotations

import logging
import math

import pytest
from django.utils import timezone

from django_q.completion import follow_ups
from django_q.completion.completion import complete
from django_q.completion.resumption import has_succeeded_before
from django_q.execution.execution import decode, execute
from django_q.models import Success, Task
from django_q.processes.task_runs.job import read_job
from django_q.results import parts
from django_q.results.rows import unpickled
from django_q.tasks import async_chain, async_iter, async_task, fetch
from tests.integration.brokers.contract.passing_time import let_pass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_success_that_is_saved_is_not_run_again(broker, run_once, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = str(tmp_path / "words")
    task_id = deliver_again(broker, path, hook="tests.foreign.hook_that_notes")
    save_end(task_id, True, result="known")

    run_once(broker)

    assert (tmp_path / "words").read_text().split() == ["hook"]
    assert fetch(task_id).result == "known"
    assert "has succeeded before, and is not run again" in caplog.text
    assert broker.lock_size() == broker.queue_size() == 0


def test_the_link_that_was_to_follow_it_gets_its_result(broker, run_all, tmp_path):
    links = [("tests.foreign.leave", (str(tmp_path / "words"), "word")), "tests.tasks.echo"]
    async_chain(links, pass_result=True)
    (delivery,) = broker.dequeue(1, 1)
    broker.release([delivery.ack_id])
    save_end(decode("", delivery.payload)["id"], True, result="known")

    run_all(broker)

    assert Success.objects.get(func="tests.tasks.echo").result == (("known",), {})


def test_a_failure_that_is_saved_is_run_again(broker, run_once, tmp_path):
    path = str(tmp_path / "words")
    task_id = deliver_again(broker, path)
    save_end(task_id, False, result="failed")

    run_once(broker)

    assert fetch(task_id).result == "word"


@pytest.mark.parametrize(("times", "held"), [(1, 1), (2, 0), (3, 0)])
def test_a_task_whose_hook_has_ended_deliveries_is_acknowledged_before_it(
    broker, run_once, tmp_path, monkeypatch, times, held
):
    path = str(tmp_path / "words")
    task_id = deliver_again(broker, path, times=times, hook="tests.foreign.hook_that_notes")
    save_end(task_id, True, result="known")
    sizes = []
    monkeypatch.setattr(
        "tests.foreign.hook_that_notes", lambda task: sizes.append(broker.lock_size())
    )

    run_once(broker)

    assert sizes == [held]
    assert broker.lock_size() == broker.queue_size() == 0


def test_the_attempts_before_its_success_do_not_count(broker, run_once, tmp_path):
    path = str(tmp_path / "words")
    task_id = deliver_again(broker, path, times=3, hook="tests.foreign.hook_that_notes")
    save_end(task_id, True, result="known", attempt_count=3)

    run_once(broker)

    assert (tmp_path / "words").read_text().split() == ["hook"]


def test_an_item_that_is_kept_is_not_run_again(broker, run_all, tmp_path):
    path = str(tmp_path / "words")
    whole = async_iter("tests.foreign.leave", [(path, "a"), (path, "b")])
    run_half(broker)
    run_all(broker)

    assert fetch(whole).result == ["a", "b"]
    assert sorted((tmp_path / "words").read_text().split()) == ["a", "b"]


def deliver_again(broker, path, times=1, **options):
    """Enqueue a task, and have it delivered for the second time, or for later ones, next."""
    task_id = async_task("tests.foreign.leave", path, "word", **options)
    for _ in range(times):
        (delivery,) = broker.dequeue(1, 1)
        broker.release([delivery.ack_id])
    return task_id


def save_end(task_id, success, **fields):
    """Save the row that an earlier delivery has left."""
    now = timezone.now()
    fields = {"attempt_count": 1, **fields}
    Task.objects.create(
        id=task_id, name="name", func="f", started=now, stopped=now, success=success, **fields
    )


def run_half(broker):
    """Run the items of an iterable, and keep their results; then die."""
    for delivery in broker.dequeue(2, 1):
        package = decode(delivery.ack_id, delivery.payload)
        execute(package)
        parts.add([package])
        broker.release([delivery.ack_id])


#: A broker that keeps states, and one whose queue is where the results are.
on_keeping = pytest.mark.parametrize("broker", ["memory", "redis", "orm"], indirect=True)


@on_keeping
def test_a_success_without_a_row_is_not_run_again_when_its_hook_ends_the_process(
    broker, run_once, tmp_path, monkeypatch
):
    path, results = str(tmp_path / "words"), []
    hook = "tests.foreign.hook_that_notes"
    async_task("tests.foreign.leave", path, "word", hook=hook, save=False)

    for _ in range(2):
        with pytest.raises(Dead):
            run_half_of_completion(broker)
        release_as_after_a_crash(broker)
    monkeypatch.setattr(hook, lambda task: results.append(task.result))
    run_once(broker)

    assert results == ["word"]
    assert (tmp_path / "words").read_text().split() == ["word"]
    assert Task.objects.count() == 0
    assert broker.lock_size() == broker.queue_size() == 0


@on_keeping
def test_a_success_after_failures_is_not_run_again_when_its_hook_ends_the_process(
    broker, run_once, tmp_path, monkeypatch
):
    path, results = str(tmp_path / "runs"), []
    hook, options = "tests.foreign.hook_that_notes", {"retries": 2, "retry_delay": 0}
    async_task("tests.tasks.fail_until", path, 1, hook=hook, save=False, q_options=options)
    run_once(broker)  # fails

    with pytest.raises(Dead):
        run_half_of_completion(broker)
    release_as_after_a_crash(broker)
    monkeypatch.setattr(hook, lambda task: results.append((task.result, task.attempts)))
    run_once(broker)

    ((value, ends),) = results
    assert value == 2
    assert [(end["attempt"], end["exception"]) for end in ends] == [(1, "ValueError"), (2, "")]
    assert len((tmp_path / "runs").read_text().split()) == 2


class Dead(BaseException):
    """Stands for the end of a process."""


def die(task):
    """End the process, as far as a test can bear it."""
    raise Dead


def run_half_of_completion(broker):
    """Execute what waits as a worker does, and complete it until its hook ends the process."""
    (delivery,) = broker.dequeue(1, 1)
    package = read_job((*delivery[:3], math.inf, None, delivery.state), 0)
    if package["attempt"] == 1 or not has_succeeded_before(package):
        execute(package)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follow_ups, "call_task_hook", die)
        complete([package], broker, print)


def release_as_after_a_crash(broker):
    """Let the lease of the one delivery that is held end."""
    let_pass(broker, 10_000)


@on_keeping
def test_a_large_result_without_a_row_is_lost_and_the_function_is_not_run_again(
    broker, run_once, tmp_path
):
    async_task("tests.integration.completion.test_resumption.large", save=False, hook="a.b")
    with pytest.raises(Dead):
        run_half_of_completion(broker)
    release_as_after_a_crash(broker)

    (delivery,) = broker.dequeue(1, 1)
    package = read_job((*delivery[:3], math.inf, None, delivery.state), 0)

    assert has_succeeded_before(package)
    assert "The result is lost" in unpickled(package["result"])
    assert (package["success"], package["resumed"]) == (True, 1)


def large():
    """Return more than is kept beside a payload."""
    return "x" * 100_000


@on_keeping
def test_no_database_is_asked_for_a_task_that_was_retried(
    broker, run_once, tmp_path, django_assert_num_queries
):
    options = {"retries": 3, "retry_delay": 0}
    async_task("tests.tasks.raise_error", q_options=options)
    run_once(broker)

    for attempt in (2, 3):
        (delivery,) = broker.dequeue(1, 1)
        package = read_job((*delivery[:3], math.inf, None, delivery.state), 0)
        with django_assert_num_queries(0):
            assert not has_succeeded_before(package)
        execute(package)
        complete([package], broker, print)
        assert package["attempt"] == attempt


def test_a_lost_delivery_of_a_task_that_was_retried_is_looked_for(
    broker, run_once, django_assert_num_queries
):
    options = {"retries": 3, "retry_delay": 0}
    async_task("tests.tasks.raise_error", q_options=options)
    run_once(broker)
    (delivery,) = broker.dequeue(1, 1)
    broker.release([delivery.ack_id])

    (delivery,) = broker.dequeue(1, 1)
    package = read_job((*delivery[:3], math.inf, None, delivery.state), 0)

    assert package["attempt"] == 3
    with django_assert_num_queries(1):
        assert not has_succeeded_before(package)


@on_keeping
def test_nothing_is_kept_of_a_success_that_leaves_a_row_or_that_nothing_follows(
    broker, run_all, monkeypatch
):
    monkeypatch.setattr(type(broker), "keep_state", None)

    async_task("tests.tasks.multiply", 2, 3, hook="tests.tasks.hook")
    async_task("tests.tasks.multiply", 2, 3, save=False)
    run_all(broker)

    assert broker.lock_size() == broker.queue_size() == 0
