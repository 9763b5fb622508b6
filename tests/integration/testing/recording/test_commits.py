"""Transactions of the code under test, inside of that of its test."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase

from django_q.tasks import async_task
from django_q.testing import assert_enqueued, drain, enqueued
from tests.tasks import multiply


def fail_in_transaction() -> None:
    """Enqueue a task, and roll it back."""
    with transaction.atomic():
        async_task(multiply, 2, 3)
        raise ValueError("rolled back")


class BothKinds:
    """What holds in a transaction of a test, and without one."""

    def test_a_task_is_enqueued_at_once_outside_of_a_transaction(self):
        with enqueued() as tasks:
            async_task(multiply, 2, 3)

            assert len(tasks) == 1

    def test_a_task_is_enqueued_when_the_transaction_commits(self):
        with enqueued() as tasks:
            with transaction.atomic():
                with transaction.atomic():
                    async_task(multiply, 2, 3)
                assert tasks == []

            assert [task.args for task in tasks] == [(2, 3)]

    def test_a_task_is_not_enqueued_when_the_transaction_is_rolled_back(self):
        with enqueued() as tasks:
            with pytest.raises(ValueError, match="rolled back"):
                fail_in_transaction()
            async_task(multiply, 4, 5)

        assert [task.args for task in tasks] == [(4, 5)]

    def test_callbacks_of_the_code_under_test_run_as_well(self):
        told = []
        with enqueued() as tasks:
            transaction.on_commit(lambda: told.append("at once"))
            with transaction.atomic():
                transaction.on_commit(lambda: async_task(multiply, 2, 3))
                transaction.on_commit(lambda: told.append("committed"))
                assert told == ["at once"]

        assert told == ["at once", "committed"]
        assert len(tasks) == 1

    def test_a_callback_that_fails_raises_where_the_transaction_ends(self):
        with enqueued(), pytest.raises(ZeroDivisionError), transaction.atomic():
            transaction.on_commit(lambda: 1 / 0)

    def test_a_robust_callback_that_fails_is_logged(self):
        told = []
        with enqueued(), self.assertLogs("django.db.backends.base", "ERROR"), transaction.atomic():
            transaction.on_commit(lambda: 1 / 0, robust=True)
            transaction.on_commit(lambda: told.append(1))

        assert told == [1]

    def test_a_task_may_use_a_durable_transaction_and_enqueue_in_it(self):
        with enqueued() as tasks:
            async_task(enqueue_durably)
            drain()

        assert [task.result for task in tasks] == [None, 6]


class InTestCase(BothKinds, TestCase):
    """Inside of a transaction that is rolled back."""

    def test_a_callback_runs_once_beside_djangos_own_way(self):
        with enqueued() as tasks, self.captureOnCommitCallbacks(execute=True) as callbacks:
            with transaction.atomic():
                async_task(multiply, 2, 3)
            assert len(tasks) == 1

        assert len(tasks) == len(callbacks) == 1

    def test_a_unique_key_is_free_when_its_task_has_ended(self):
        with enqueued() as tasks:
            for _ in range(2):
                with transaction.atomic():
                    async_task(multiply, 2, 3, q_options={"unique": True})
                drain()

        assert [task.result for task in tasks] == [6, 6]

    def test_what_waits_for_a_commit_is_named(self):
        with enqueued(), transaction.atomic():
            async_task(multiply, 2, 3)
            with pytest.raises(AssertionError, match="transaction to commit: 1 more"):
                assert_enqueued(multiply)

    def test_an_error_of_the_database_in_a_task_leaves_the_test_its_transaction(self):
        with enqueued():
            async_task(break_transaction)
            (task,) = drain(raise_failures=False)

        assert task.success is False
        assert connection.needs_rollback is False


class InTransactionTestCase(BothKinds, TransactionTestCase):
    """Without a transaction of the test."""


def enqueue_durably() -> None:
    """Enqueue a task in a transaction that must be the outermost."""
    with transaction.atomic(durable=True):
        async_task(multiply, 2, 3)


def break_transaction() -> None:
    """Have the database refuse a statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")


@pytest.mark.django_db
def test_nothing_is_left_of_it_behind_the_block():
    with enqueued():
        pass
    told = []

    with transaction.atomic():
        transaction.on_commit(lambda: told.append(1))

    assert told == []  # as in each test without the kit
