"""Calls with a key inside a transaction: pushed when it commits, unless another has the key."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from django_q.exceptions import AlreadyEnqueued, DjangoQError
from django_q.models import Failure, Task
from django_q.signing import SignedPackage
from django_q.tasks import async_batch, async_chain, async_task, result
from tests.tasks import echo, hook, hooked

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("broker", ["memory"], indirect=True),
]


def unique(*args: Any, on_commit: bool = True, **options: Any) -> str:
    """Call ``echo`` with a unique key."""
    return async_task(echo, *args, on_commit=on_commit, q_options={"unique": "key", **options})


def waiting(broker: Any) -> dict[str, tuple]:
    """List the arguments of the calls in a queue by id."""
    packages = [SignedPackage.loads(task.payload) for task in broker.list_tasks()]
    return {package["id"]: package["args"] for package in packages}


def test_a_task_with_terms_is_pushed_when_the_transaction_commits(broker):
    with transaction.atomic():
        task_id = async_task(echo, q_options={"priority": 5})
        assert broker.list_tasks() == []
        with pytest.raises(DjangoQError, match="pushed when the transaction commits"):
            result(task_id, wait=10)

    assert [task.task_id for task in broker.list_tasks()] == [task_id]


def test_a_rolled_back_call_pushes_nothing(broker):
    with transaction.atomic():
        unique()
        transaction.set_rollback(True)

    assert broker.list_tasks() == []
    assert Task.objects.count() == 0


def test_a_call_that_finds_a_task_of_its_key_pushes_nothing(broker):
    first = unique(1)

    with transaction.atomic():
        assert unique(2) == first
        with pytest.raises(AlreadyEnqueued):
            unique(3, on_duplicate="reject")

    assert waiting(broker) == {first: (1,)}
    assert Task.objects.count() == 0


def test_a_call_of_the_same_transaction_has_the_key(broker):
    with transaction.atomic():
        first = unique(1)
        with transaction.atomic():
            assert unique(2) == first
        with pytest.raises(AlreadyEnqueued) as no:
            unique(3, on_duplicate="reject")

    assert no.value.task_id == first
    assert waiting(broker) == {first: (1,)}
    assert Task.objects.count() == 0


def test_calls_of_one_batch_have_the_key(broker):
    with transaction.atomic():
        one, other = async_batch([echo, echo], q_options={"unique": True})

    assert one == other
    assert list(waiting(broker)) == [one]


def test_a_call_that_was_rolled_back_does_not_have_the_key(broker):
    with transaction.atomic():
        with transaction.atomic():
            first = unique(1)
            transaction.set_rollback(True)
        second = unique(2)

    assert first != second
    assert waiting(broker) == {second: (2,)}


def test_a_call_of_an_inner_block_that_has_ended_has_the_key(broker):
    with transaction.atomic():
        with transaction.atomic(), transaction.atomic():
            first = unique(1)
        with transaction.atomic():
            assert unique(2) == first
            transaction.set_rollback(True)

    assert waiting(broker) == {first: (1,)}
    assert Task.objects.count() == 0


def test_the_last_of_several_calls_of_a_transaction_replaces_the_others(broker):
    with transaction.atomic():
        first = unique(1, on_duplicate="replace")
        assert unique(2, on_duplicate="replace") == first
        assert unique(3, on_duplicate="replace") == first

    assert waiting(broker) == {first: (3,)}
    assert Task.objects.count() == 0


def test_a_call_replaces_the_task_that_it_has_found(broker):
    first = unique(1)

    with transaction.atomic():
        assert unique(2, on_duplicate="replace") == first
        assert waiting(broker) == {first: (1,)}

    assert waiting(broker) == {first: (2,)}
    assert Task.objects.count() == 0


def test_a_call_whose_task_has_begun_meanwhile_is_a_successor(broker):
    first = unique(1)

    with transaction.atomic():
        assert unique(2, on_duplicate="replace") == first
        broker.dequeue(1, 0)

    assert sorted(waiting(broker).values()) == [(1,), (2,)]
    assert Task.objects.count() == 0


@pytest.mark.parametrize("on_duplicate", ["existing", "reject", "replace"])
def test_a_call_that_loses_its_key_before_the_commit_gets_a_row_that_says_so(broker, on_duplicate):
    with transaction.atomic():
        lost = unique(1, on_duplicate=on_duplicate)
        other = unique(2, on_commit=False)

    row = Failure.objects.get()
    assert (row.id, row.args) == (lost, (1,))
    assert row.exception == "django_q.exceptions.AlreadyEnqueued"
    assert row.fingerprint
    assert f"duplicate of task {other}" in result(lost)
    assert waiting(broker) == {other: (1,) if on_duplicate == "replace" else (2,)}


def test_the_row_of_a_call_that_has_lost_calls_its_hook(broker):
    hooked.clear()
    with transaction.atomic():
        lost = unique(hook=hook)
        unique(on_commit=False)

    assert [(task.id, task.success) for task in hooked] == [(lost, False)]


def test_one_call_that_has_lost_does_not_keep_others_from_the_queue(broker):
    calls = [(echo, (1,), {"q_options": {"unique": "key"}}), (echo, (2,))]
    with transaction.atomic():
        lost, other = async_batch(calls)
        winner = unique(3, on_commit=False)

    assert waiting(broker) == {winner: (3,), other: (2,)}
    assert [row.id for row in Failure.objects.all()] == [lost]


def test_an_idempotency_key_is_asked_at_the_call_and_at_the_push(broker):
    key = {"idempotency_key": "order 1"}
    with transaction.atomic():
        lost = async_task(echo, 1, q_options=key)
        assert async_task(echo, 2, q_options=key) == lost
        first = async_task(echo, 3, on_commit=False, q_options=key)
        with transaction.atomic():
            assert async_task(echo, 4, q_options=key) in (first, lost)

    assert waiting(broker) == {first: (3,)}
    assert [row.id for row in Failure.objects.all()] == [lost]


def test_a_key_of_another_queue_is_another_one(broker):
    other = type(broker)("other")
    with transaction.atomic():
        first = unique(1)
        second = async_task(echo, 2, broker=other, q_options={"unique": "key"})

    assert first != second
    assert list(waiting(other)) == [second]


def test_a_chain_in_a_transaction_has_its_options(broker):
    with transaction.atomic():
        async_chain([echo, echo], q_options={"priority": 5})

    assert [task.priority for task in broker.list_tasks()] == [5]


def test_a_second_chain_of_a_transaction_gets_the_group_of_the_first(broker):
    with transaction.atomic():
        groups = {async_chain([echo, echo], q_options={"unique": "key"}) for _ in range(2)}

    (task,) = broker.list_tasks()
    assert {SignedPackage.loads(task.payload)["group"]} == groups


def test_where_the_queue_is_in_the_database_a_task_is_enqueued_in_the_transaction(
    broker, monkeypatch
):
    monkeypatch.setattr(type(broker), "alias", "default", raising=False)
    with transaction.atomic():
        first = unique(1)
        assert waiting(broker) == {first: (1,)}
        assert unique(2) == first
        assert unique(3, on_duplicate="replace") == first
        with pytest.raises(DjangoQError, match="pushed when the transaction commits"):
            result(first, wait=10)

    assert waiting(broker) == {first: (3,)}
    assert Task.objects.count() == 0
