"""A task that is delivered again, of which something was done before."""

from __future__ import annotations

import logging

import pytest
from django.utils import timezone

from django_q.execution.execution import decode, execute
from django_q.models import Success, Task
from django_q.results import parts
from django_q.tasks import async_chain, async_iter, async_task, fetch

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
