"""Failures that are run again under their own ids: unfinished until they have ended again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.signals import post_save
from django.utils import timezone

from django_q.calls.resubmission import NotRepeatable, resubmit
from django_q.models import Failure, Task
from django_q.results import saving
from django_q.tasks import (
    async_task,
    count_group,
    fetch,
    fetch_group,
    fetch_unfinished,
    list_unfinished,
    result,
    result_group,
)
from django_q.unfinished import reruns
from tests.integration.results.finished_packages import finished
from tests.integration.unfinished.queued import beat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def failure(queue: Any, run_all: Any, tmp_path: Any) -> Failure:
    """Run a task that fails the first time and succeeds the second."""
    task_id = async_task("tests.tasks.fail_until", str(tmp_path / "runs"), 1, group="g")
    run_all(queue)
    return Failure.objects.get(id=task_id)


def test_who_waits_for_the_id_gets_the_new_end(queue, run_all, failure):
    assert resubmit(failure) == failure.id

    assert (fetch(failure.id), result(failure.id), fetch(failure.name)) == (None, None, None)
    run_all(queue)
    task = fetch(failure.id)
    assert (task.success, task.rerun_at, task.is_rerun) == (True, None, False)
    assert (task.name, task.attempt_count, task.exception) == (failure.name, 1, None)
    assert result(failure.id) == task.result
    assert Task.objects.count() == 1


def test_it_is_unfinished_meanwhile(queue, failure):
    resubmit(failure)

    assert fetch_unfinished(failure.id).state == "waiting"
    assert [task.id for task in list_unfinished()] == [failure.id]
    queue.dequeue(wait=0)
    beat(queue, failure.id)
    assert fetch_unfinished(failure.id).state == "running"


def test_its_group_leaves_it_out_until_then(queue, run_all, failure):
    async_task("tests.tasks.multiply", 2, 3, group="g")
    run_all(queue)
    assert (count_group("g"), count_group("g", failures=True)) == (2, 1)

    resubmit(failure)
    queue_only = [count_group("g"), count_group("g", failures=True), len(fetch_group("g"))]
    assert (queue_only, result_group("g", failures=True)) == ([1, 0, 1], [6])

    run_all(queue)
    assert (count_group("g"), len(result_group("g"))) == (2, 2)


def test_one_that_fails_again_is_replaced_as_well(queue, run_all):
    task_id = async_task("tests.tasks.raise_error", "always", max_attempts=1)
    run_all(queue)
    before = Failure.objects.get(id=task_id)

    resubmit(before)
    run_all(queue)

    after = Failure.objects.get(id=task_id)
    assert after.stopped > before.stopped
    assert (after.rerun_at, after.attempt_count, after.exception) == (None, 1, before.exception)
    assert resubmit(after) == task_id


def test_a_row_is_replaced_through_the_model_where_somebody_listens(queue, run_all, failure):
    saved = []

    def note(instance, **kwargs):
        saved.append((instance.success, instance.rerun_at))

    post_save.connect(note, sender=Task)
    try:
        resubmit(failure)
        run_all(queue)
    finally:
        post_save.disconnect(note, sender=Task)

    assert saved == [(True, None)]
    assert fetch(failure.id).rerun_at is None


def test_the_new_end_has_a_row_whatever_the_settings_say(queue, run_all, conf, failure):
    conf(save_limit=-1, cached=60)

    resubmit(failure)
    run_all(queue)

    assert Task.objects.get(id=failure.id).success


def test_how_it_had_ended_is_kept(failure):
    resubmit(failure)

    (end,) = Task.objects.get(id=failure.id).attempts
    assert (end["time"], end["attempt"]) == (failure.stopped.isoformat(), 1)
    assert (end["worker"], end["exception"]) == (failure.worker or "", failure.exception)
    assert end["text"] == failure.result


def test_the_ends_before_stand_before_the_new_one(queue, run_all, failure):
    resubmit(failure)
    run_all(queue)

    first, second = Task.objects.get(id=failure.id).attempts
    assert (first["time"], first["exception"]) == (failure.stopped.isoformat(), failure.exception)
    assert (second["attempt"], second["exception"], second["text"]) == (1, "", "")


def test_a_failure_that_fails_again_and_again_keeps_ten_ends_of_before(queue, run_all):
    async_task("tests.tasks.raise_error", "always")
    run_all(queue)
    for _ in range(12):
        resubmit(Failure.objects.get())
        run_all(queue)

    ends = Failure.objects.get().attempts
    assert len(ends) == 11
    assert [end["time"] for end in ends] == sorted(end["time"] for end in ends)
    assert len({end["time"] for end in ends}) == 11


def test_a_second_click_is_refused_while_it_waits_and_while_it_runs(queue, failure):
    resubmit(failure)

    for task in (failure, Failure.objects.get(id=failure.id)):
        with pytest.raises(NotRepeatable, match="in the queue already"):
            resubmit(task)
    queue.dequeue(wait=0)
    with pytest.raises(NotRepeatable, match="in the queue already"):
        resubmit(Failure.objects.get(id=failure.id))
    assert len(list_unfinished()) == 1


def test_of_two_who_click_at_a_time_one_succeeds(failure):
    first, second = (Failure.objects.get(id=failure.id) for _ in range(2))

    assert (reruns.mark_rerun(first), reruns.mark_rerun(second)) == (True, False)


def test_nothing_is_marked_where_it_could_not_be_enqueued(queue, failure, monkeypatch):
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError("away")

    monkeypatch.setattr(type(queue), "enqueue_tasks", refuse)
    monkeypatch.setattr(type(queue), "enqueue_task", refuse)
    with pytest.raises(OSError, match="away"):
        resubmit(failure)

    row = fetch(failure.id)
    assert (row.rerun_at, row.stopped, row.attempts) == (None, failure.stopped, None)


def test_one_that_was_deleted_from_its_queue_can_be_run_again(queue, run_all, failure):
    resubmit(failure)
    queue.purge_queue()
    lost = Failure.objects.get(id=failure.id)
    with pytest.raises(NotRepeatable, match="seconds ago"):
        resubmit(lost)
    then = lost.rerun_at - timedelta(seconds=reruns.LOST_RERUN_SECONDS)
    Task.objects.filter(id=failure.id).update(rerun_at=then, stopped=then)
    beat(queue, failure.id)
    with pytest.raises(NotRepeatable, match="in the queue already, or runs"):
        resubmit(Failure.objects.get(id=failure.id))

    beat(queue)
    resubmit(Failure.objects.get(id=failure.id))
    run_all(queue)

    assert fetch(failure.id).success
    assert len(lost.attempts) == 1


def test_an_end_that_an_earlier_release_saves_counts_too(failure):
    resubmit(failure)

    # As django-q2 does, which knows nothing of the column.
    end = {"stopped": timezone.now(), "result": 5, "success": True}
    Task.objects.filter(id=failure.id).update(**end)

    assert (result(failure.id), count_group("g")) == (5, 1)
    assert Task.objects.get(id=failure.id).is_rerun is False


def test_a_late_end_of_the_first_run_does_not_undo_a_success(queue, run_all, failure):
    resubmit(failure)
    run_all(queue)

    saving.save([finished(id=failure.id, success=False)])

    assert fetch(failure.id).success


def test_a_failure_is_not_run_again_before_it_is_acknowledged(queue):
    task_id = async_task("tests.tasks.raise_error", q_options={"track": True})
    queue.dequeue(wait=0)
    saving.save([finished(id=task_id, success=False, func="tests.tasks.raise_error")])

    with pytest.raises(NotRepeatable, match="in the queue already, or runs"):
        resubmit(Failure.objects.get(id=task_id))
