"""Which tasks are run again under their own ids, and the failures of a kind together."""

from __future__ import annotations

from typing import Any

import pytest

from django_q.calls import resubmission
from django_q.calls.resubmission import NotRepeatable, resubmit, resubmit_kind
from django_q.models import Failure, Success, Task
from django_q.orders.notices import CancelOrder
from django_q.task_state.cancellation import task_key
from django_q.tasks import async_chain, async_task, fetch
from tests.integration.admin.rows import make_failure

pytestmark = pytest.mark.django_db(transaction=True)

KIND = "f" * 32


def test_a_success_gets_a_new_id(broker, run_all):
    task_id = async_task("tests.tasks.multiply", 2, 3)
    run_all(broker)

    assert resubmit(Success.objects.get()) != task_id
    assert fetch(task_id).success


def test_a_link_whose_chain_has_gone_on_gets_a_new_id(broker, run_all):
    links = ["tests.tasks.raise_error", "tests.tasks.nothing"]
    async_chain(links, continue_on_failure=True)
    async_chain(["tests.tasks.raise_error", "tests.tasks.echo"])
    run_all(broker)
    gone_on, stopped = Failure.objects.order_by("started")

    assert resubmit(gone_on) != gone_on.id
    assert resubmit(stopped) == stopped.id


@pytest.mark.parametrize("broker", ["custom"], indirect=True)
def test_a_broker_that_finds_no_task_by_its_id_gets_a_new_one(broker, run_all):
    task = make_failure()

    assert resubmit(task) != task.id
    assert Task.objects.get().rerun_at is None


def test_a_task_that_is_run_at_once_has_ended_when_it_is_resubmitted(conf):
    conf(sync=True)
    task = make_failure()

    assert resubmit(task) == task.id
    assert (fetch(task.id).result, fetch(task.id).rerun_at) == (6, None)


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_an_order_that_came_too_late_does_not_cancel_a_failure_that_is_run_again(broker):
    task, other = make_failure(), make_failure()
    for each in (task, other):  # as where they ended before their cluster had heard of it
        CancelOrder(by="anna").post(broker, task_key(each.id))

    assert resubmit(task) == task.id

    assert set(broker.notices().values) == {task_key(other.id)}


def test_a_resubmitted_task_has_a_fresh_budget_and_is_due_now(broker):
    task = make_failure(options={"max_attempts": 3, "run_after": 3600}, attempt_count=3)

    resubmit(task)

    (queued,) = broker.list_tasks()
    assert (queued.attempts, queued.due) == (0, None)


def test_failures_of_a_kind_are_run_again_together(broker, run_all, monkeypatch):
    monkeypatch.setattr(resubmission, "RESUBMITTED_ROWS", 2)
    kind = [make_failure(fingerprint=KIND) for _ in range(5)]
    other = make_failure(fingerprint="e" * 32)
    make_failure(fingerprint=KIND, func="tests.tasks.renamed", id="1" * 32)

    done, refused, has_more = resubmit_kind(KIND)

    assert (sorted(done), has_more) == (sorted(task.id for task in kind), False)
    assert [*refused] == ["1" * 32]
    assert "can not be found" in refused["1" * 32]
    run_all(broker)
    assert Success.objects.count() == 5
    assert fetch(other.id).success is False


def test_those_of_a_kind_that_are_run_again_already_are_left_alone(broker):
    task = make_failure(fingerprint=KIND)
    resubmit(task)

    assert resubmit_kind(KIND) == ([], {}, False)
    assert broker.count_tasks().waiting == 1


def test_of_many_of_a_kind_no_more_are_run_again_than_were_asked_for(broker):
    for _ in range(3):
        make_failure(fingerprint=KIND)

    assert len(resubmit_kind(KIND, limit=2).resubmitted) == 2
    assert resubmit_kind(KIND, limit=2)[1:] == ({}, False)
    assert broker.count_tasks().waiting == 3


@pytest.mark.parametrize("broker", ["custom"], indirect=True)
def test_a_failure_of_a_kind_whose_new_task_has_another_id_is_replaced_by_that(broker):
    task = make_failure(fingerprint=KIND)

    (new_id,) = resubmit_kind(KIND).resubmitted

    assert new_id != task.id
    assert not Task.objects.exists()


def test_a_task_that_others_wait_for_by_a_key_of_its_own_is_refused(broker, run_all):
    options = {"unique": "key"}
    async_task("tests.tasks.raise_error", q_options=options)
    run_all(broker)
    other: Any = async_task("tests.tasks.nothing", q_options=options)
    task = Failure.objects.get()

    with pytest.raises(NotRepeatable, match=f"Task {other} has its unique key"):
        resubmit(task)

    assert fetch(task.id).rerun_at is None
