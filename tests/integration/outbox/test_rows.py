"""The rows of the outbox: claimed by one relay, deleted, and their terms."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_q.brokers.terms import Terms
from django_q.models import OutboxTask
from django_q.outbox.rows import (
    ROW_BATCH_SIZE,
    add_rows,
    claim_due_rows,
    delete_rows,
    make_rows,
    outbox_rows,
    postpone_row,
    read_terms_of,
    release_rows,
)
from tests.outboxes import on_both_databases

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("outbox")]


def make_row(queue: str, terms: Terms | None = None) -> OutboxTask:
    """Make a row that is not saved."""
    (row,) = make_rows(queue, [("payload", terms, "id")])
    return row


def add(*queues: str, wait: float = -1) -> list:
    """Save a row for each queue."""
    rows = [make_row(queue) for queue in queues]
    for row in rows:
        add_rows([row], wait)
    return rows


@on_both_databases
def test_a_row_is_claimed_by_one_relay_when_it_is_due(outbox):
    add("a", "b")
    add("c", wait=60)

    claimed = claim_due_rows(10)

    assert [row.list_key for row in claimed] == ["a", "b"]
    assert all(timedelta() <= row.age < timedelta(seconds=60) for row in claimed)
    assert claim_due_rows(10) == []


@on_both_databases
def test_a_claimed_row_is_for_another_relay_when_the_claim_has_ended_or_is_released(outbox):
    (row,) = add("a")
    claim_due_rows(10)

    release_rows([row])

    assert [each.key for each in claim_due_rows(10)] == [row.key]


def test_queues_can_be_skipped_and_the_limit_is_kept():
    add("a", "b", "c", "d")

    assert [row.list_key for row in claim_due_rows(2, ["a", "c"])] == ["b", "d"]
    assert len(claim_due_rows(1)) == 1


def test_rows_that_a_relay_has_claimed_are_told_from_others():
    first, other = add("a", "b")
    outbox_rows().filter(key=first.key).update(claim="relay")

    assert delete_rows([first, other], unclaimed=True) == 1
    assert delete_rows([first, other]) == 1


def test_more_rows_are_deleted_than_a_statement_names():
    rows = make_rows("a", [("payload", None, str(n)) for n in range(ROW_BATCH_SIZE + 1)])
    add_rows(rows)

    assert delete_rows(rows, unclaimed=True) == ROW_BATCH_SIZE + 1


def test_a_row_that_can_not_be_pushed_waits_longer_each_time():
    add("a")

    waits = [postpone_row(outbox_rows().get()) for _ in range(12)]

    assert waits[:3] == [4, 8, 16]
    assert waits[-1] == 600
    assert claim_due_rows(10) == []


def test_terms_are_read_as_they_were_written():
    terms = Terms("id", 5, expires_at=12.5, unique="ab", unique_for=1.5, is_successor=True)

    assert read_terms_of(make_row("a", terms)) == terms
    assert read_terms_of(make_row("a")) is None


def test_spans_of_time_are_counted_from_when_the_row_was_made():
    row = make_row("a", Terms("id", delay=60, expires_in=90))

    row.age = timedelta(seconds=20)
    assert read_terms_of(row) == Terms("id", delay=40, expires_in=70)
    row.age = timedelta(seconds=100)
    assert read_terms_of(row) == Terms("id", delay=0, expires_in=-10)
