"""A task that is enqueued inside a transaction."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import TestCase

from django_q.exceptions import DjangoQError, PackageError
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import (
    Chain,
    async_batch,
    async_chain,
    async_iter,
    async_task,
    fetch,
    queue_size,
    result,
    result_group,
)
from tests.tasks import echo, multiply, unpicklable

in_database = pytest.mark.django_db(transaction=True)
on_both = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


def roll_back(call: Any) -> None:
    """Make a call inside a transaction that is rolled back."""
    with transaction.atomic():
        call()
        transaction.set_rollback(True)


@in_database
def test_a_task_is_pushed_when_the_transaction_commits(broker):
    with transaction.atomic():
        task_id = async_task(echo)

        assert len(task_id) == 32
        assert queue_size() == 0

    assert queue_size() == 1


@in_database
def test_with_the_orm_broker_the_row_is_part_of_the_transaction(make_broker):
    make_broker("orm")
    with transaction.atomic():
        async_task(echo)

        assert OrmQ.objects.count() == 1
    roll_back(lambda: async_task(echo))

    assert OrmQ.objects.count() == 1


@in_database
@on_both
@pytest.mark.parametrize(
    "call",
    [
        lambda: async_task(echo),
        lambda: async_batch([(echo, (1,)), (echo, (2,))]),
        lambda: async_iter(echo, [1, 2]),
        lambda: async_chain([echo, echo]),
    ],
    ids=["task", "batch", "iter", "chain"],
)
def test_a_task_is_never_pushed_on_rollback(broker, call):
    roll_back(call)

    assert queue_size() == 0


@in_database
@on_both
def test_the_rollback_of_a_savepoint_takes_its_tasks_along(broker):
    with transaction.atomic():
        kept = async_task(echo)
        roll_back(lambda: async_task(echo))

    (delivery,) = broker.dequeue(limit=10, wait=0)
    assert SignedPackage.loads(delivery.payload)["id"] == kept


@in_database
def test_the_arguments_travel_as_they_were_at_the_call(broker):
    basket = ["apple"]
    with transaction.atomic():
        async_task(echo, basket)
        basket.append("pear")

    (delivery,) = broker.dequeue(wait=0)
    assert SignedPackage.loads(delivery.payload)["args"] == (["apple"],)


@in_database
def test_a_database_whose_driver_is_missing_stops_no_call(broker, monkeypatch):
    missing = connections.configure_settings({"default": {}, "other": {"ENGINE": "missing"}})
    monkeypatch.setitem(connections.settings, "other", missing["other"])

    async_task("math.sqrt", 4)

    assert broker.queue_size() == 1


@in_database
def test_what_can_not_travel_raises_at_the_call_and_not_at_the_commit(broker):
    with transaction.atomic(), pytest.raises(PackageError, match="Argument 1"):
        async_task(echo, unpicklable())

    assert queue_size() == 0


@in_database
@pytest.mark.parametrize("way", ["call", "settings"])
def test_on_commit_can_be_declined(broker, conf, way):
    if way == "settings":
        conf(on_commit=False)

    roll_back(lambda: async_task(echo, on_commit=False if way == "call" else None))

    assert queue_size() == 1


@in_database
def test_the_call_wins_over_the_settings(broker, conf):
    conf(on_commit=False)

    roll_back(lambda: async_task(echo, on_commit=True))

    assert queue_size() == 0


@in_database
def test_a_task_in_sync_mode_runs_inside_the_transaction(conf):
    with transaction.atomic():
        task_id = async_task(multiply, 2, 3, sync=True)

        assert result(task_id) == 6


@in_database
@on_both
def test_waiting_for_what_the_transaction_holds_back_is_an_error_and_no_hang(broker):
    with transaction.atomic():
        task_id = async_task(echo, group="mine")
        chain = Chain([echo, echo])
        chain.run()

        with pytest.raises(DjangoQError, match="pushed when the transaction commits"):
            result(task_id, wait=-1)
        with pytest.raises(DjangoQError, match="pushed when the transaction commits"):
            result_group("mine", count=1)
        with pytest.raises(DjangoQError, match="pushed when the transaction commits"):
            chain.result()
        assert fetch(task_id) is None  # looking is no wait


@in_database
def test_a_wait_that_can_not_see_new_rows_is_warned_of(broker, caplog):
    if connection.vendor != "sqlite":
        pytest.skip("other databases read what is committed, as they are set up by default")
    task_id = async_task(echo)

    with transaction.atomic():
        fetch(task_id, wait=5)

    assert "does not see what is saved after it began" in caplog.text


class InATestCase(TestCase):
    """The transaction of a ``TestCase`` never commits, and does not count."""

    @pytest.fixture(autouse=True)
    def _broker(self, broker: Any) -> None:
        self.broker = broker

    def test_a_task_is_pushed_at_once(self):
        async_task(echo)

        assert queue_size() == 1

    def test_a_block_of_its_own_counts(self):
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            with transaction.atomic():
                async_task(echo)
            assert queue_size() == 0

        assert len(callbacks) == 1
        assert queue_size() == 1
