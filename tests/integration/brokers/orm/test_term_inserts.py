"""How rows of tasks with terms are added: by as few statements as possible."""

from __future__ import annotations

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from django_q.brokers.orm.term_inserts import batched
from django_q.brokers.terms import Enqueued
from django_q.models import TaskKey
from tests.integration.brokers.orm.databases import on_each, on_postgres, statements
from tests.integration.brokers.orm.term_tasks import KEY, OTHER_KEY, add, all_rows, let_pass, take

KINDS = [{"priority": 5}, {"unique": KEY}, {"idempotency": KEY, "idempotency_for": 60}]


@pytest.fixture(autouse=True)
def without_keys(broker):
    TaskKey.objects.using(broker.alias).all().delete()


def sent_to_queue(broker, function):
    """List the statements that a function runs, without those that notify and end transactions."""
    with CaptureQueriesContext(connections[broker.alias]) as queries:
        function()
    words = ("INSERT", "SELECT", "UPDATE", "DELETE", "WITH")
    return [
        each["sql"]
        for each in queries
        if each["sql"].startswith(words) and "NOTIFY" not in each["sql"]
    ]


@on_each
@pytest.mark.parametrize("terms", KINDS, ids=lambda terms: next(iter(terms)))
def test_a_task_with_terms_takes_one_statement_or_two_with_an_idempotency_key(broker, terms):
    add(broker, "first", priority=1)
    claims = "idempotency" in terms
    limits = {"postgresql": 1, "sqlite": 1 + claims, "mysql": 2 + claims}

    sent = sent_to_queue(broker, lambda: add(broker, "a", **terms))

    assert len(sent) <= limits[connections[broker.alias].vendor]
    assert broker.find("a").task_id == "a"


@on_each
@pytest.mark.parametrize("terms", KINDS, ids=lambda terms: next(iter(terms)))
def test_a_task_is_added_in_the_same_way_by_each_call_of_a_connection(broker, terms):
    has_key = "priority" not in terms

    found = [add(broker, name, **terms) for name in ("a", "b", "c", "d")]

    ids = ["a"] * 4 if has_key else ["a", "b", "c", "d"]
    assert [each.task_id for each in found] == ids
    assert [each.is_new for each in found] == [True, *[not has_key] * 3]
    assert [delivery.payload for delivery in take(broker)] == sorted(set(ids))


@on_postgres
def test_statements_of_postgresql_are_prepared_and_share_that_which_notifies(broker):
    for number in range(3):
        broker.enqueue("plain")
        add(broker, f"p{number}", priority=3)
        add(broker, f"u{number}", unique=f"{number:032x}", unique_for=5)
        add(broker, f"i{number}", idempotency=f"{number:032x}", idempotency_for=60)

    # Four that add a row, and the one with which each of them is sent.
    assert len(statements(broker)) == 5
    assert all_rows(broker).filter(key=broker.list_key).count() == 12
    assert {row.rank for row in all_rows(broker)} == {0, -3}


@on_each
@pytest.mark.parametrize("terms", KINDS, ids=lambda terms: next(iter(terms)))
def test_a_row_that_is_rolled_back_leaves_no_key(broker, terms):
    with transaction.atomic(broker.alias):
        assert add(broker, "a", **terms).is_new
        transaction.set_rollback(True, using=broker.alias)

    assert broker.find("a") is None
    assert add(broker, "b", **terms) == Enqueued("b")


@on_each
def test_an_idempotency_key_that_has_expired_is_claimed_again(broker):
    for name in ("a", "b", "c"):
        assert add(broker, name, idempotency=KEY, idempotency_for=60) == Enqueued(name)
        assert not add(broker, "other", idempotency=KEY, idempotency_for=60).is_new
        let_pass(broker, 61)

    assert TaskKey.objects.using(broker.alias).get().task_id == "c"


@on_each
def test_a_batch_of_unique_tasks_ends_by_few_statements_and_frees_their_keys(broker):
    keys = [f"{number:032x}" for number in range(5)]
    for key in keys:
        add(broker, key[-8:], unique=key)
    deliveries = take(broker)

    sent = sent_to_queue(broker, lambda: broker.acknowledge_many([d.ack_id for d in deliveries]))

    # MySQL returns nothing of rows that it deletes.
    assert len(sent) == (4 if connections[broker.alias].vendor == "mysql" else 2)
    assert all(add(broker, f"b{key[-8:]}", unique=key).is_new for key in keys)
    assert broker.acknowledge_many([d.ack_id for d in deliveries]) == {
        delivery.ack_id for delivery in deliveries
    }


@on_each
def test_a_batch_ends_with_the_keys_that_are_kept_and_those_that_others_wait_for(broker):
    add(broker, "free", unique=KEY)
    add(broker, "kept", unique=OTHER_KEY, unique_for=60)
    add(broker, "awaited", unique="0" * 32)
    deliveries = take(broker)
    assert add(broker, "next", unique="0" * 32, is_successor=True).is_new

    assert broker.acknowledge_many([d.ack_id for d in deliveries]) == set()

    assert add(broker, "free2", unique=KEY).is_new
    assert add(broker, "kept2", unique=OTHER_KEY).task_id == "kept"
    assert all_rows(broker).get(tracked_id="next").unique_digest < "g"


@on_each
def test_a_list_is_cut_into_parts(broker):
    assert list(batched([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
