"""What the broker on Redis tells of its tasks, and of other queues."""

from __future__ import annotations

import pytest
import redis

from django_q.brokers import get_broker
from django_q.brokers.redis import listing
from django_q.brokers.terms import DELAYED, LEASED, TASK_STATES, WAITING, Terms
from tests.integration.brokers.redis.keys import key_of

pytestmark = pytest.mark.once


@pytest.fixture
def filled(broker):
    """A queue with tasks of each state, with terms and without."""
    broker.enqueue_tasks([("lost", Terms("lost")), ("leased", Terms("leased"))])
    broker.enqueue_many(["plain lost", "plain leased", "plain released"])
    held = {each.payload: each.ack_id for each in broker.dequeue(9, wait=0)}
    broker.release([held[b"plain released"]], delay=60)
    broker.extend([held[b"lost"], held[b"plain lost"]], 0)
    broker.enqueue("plain delayed", delay=60)
    broker.enqueue_many(["plain 1", "plain 2"])
    broker.enqueue_tasks(
        [
            ("high", Terms("high", priority=1)),
            ("zero", Terms("zero")),
            ("delayed", Terms("delayed", delay=60)),
        ]
    )
    return broker


BY_STATE = {
    WAITING: {"lost", "plain lost", "plain 1", "plain 2", "high", "zero"},
    DELAYED: {"delayed", "plain delayed", "plain released"},
    LEASED: {"leased", "plain leased"},
}


def listed(broker, state=None, limit=100):
    """List payloads page by page."""
    found, after = [], ""
    while page := broker.list_tasks(state, after, limit):
        assert len(page) <= limit
        found += page
        after = page[-1].cursor
    return found


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("state", [None, *TASK_STATES])
def test_pages_have_each_task_once_with_its_state(filled, state, limit):
    found = listed(filled, state, limit)

    by_state = {name: {t.payload.decode() for t in found if t.state == name} for name in BY_STATE}
    assert by_state == {key: BY_STATE[key] if state in (None, key) else set() for key in BY_STATE}
    assert len(found) == sum(map(len, by_state.values()))


def test_the_counts_are_those_of_the_lists(filled):
    waiting, delayed, leased, oldest = filled.count_tasks()

    assert [waiting, delayed, leased] == [len(BY_STATE[state]) for state in TASK_STATES]
    assert oldest is None  # a plain task waits, whose age nobody knows
    assert (filled.queue_size(), filled.lock_size()) == (waiting, delayed + leased)


def test_the_age_of_the_oldest_is_known_where_all_have_terms(broker):
    broker.enqueue_tasks([("low", Terms("low", priority=-1)), ("high", Terms("high", priority=1))])

    assert 0 <= broker.count_tasks().oldest < 60


def test_a_page_goes_on_where_it_ended_although_that_task_is_gone(broker):
    broker.enqueue_tasks((f"{n}", Terms(f"{n}")) for n in range(9))
    first = broker.list_tasks(WAITING, limit=3)

    broker.dequeue(3, wait=0)

    assert [each.task_id for each in broker.list_tasks(WAITING, first[-1].cursor)] == list("345678")


def test_a_page_is_filled_from_behind_many_of_another_state(broker):
    broker.enqueue_many(["x"] * 10_500)
    broker.dequeue(10_500, wait=0)
    broker.enqueue("late")
    (last,) = broker.dequeue(wait=0)

    broker.release([last.ack_id], delay=3600)

    assert [each.payload for each in broker.list_tasks(DELAYED, limit=5)] == [b"late"]


def test_a_task_is_described_as_it_is(broker):
    terms = Terms("id", priority=7, expires_in=600)
    broker.enqueue_task("payload", terms)
    (waiting,) = broker.list_tasks()
    broker.dequeue(wait=0)

    leased = broker.find("id")

    assert (waiting.payload, waiting.task_id, waiting.priority) == (b"payload", "id", 7)
    assert (waiting.state, waiting.attempts, waiting.due) == (WAITING, 0, None)
    assert waiting.expires - waiting.since == pytest.approx(600, abs=1)
    assert (leased.state, leased.attempts, leased.since) == (LEASED, 1, waiting.since)
    assert leased.due > leased.since
    assert broker.find("another") is None


@pytest.mark.parametrize("is_single", [True, False])
def test_the_queues_that_have_tasks_are_named(broker, is_single, monkeypatch):
    monkeypatch.setattr(listing, "is_single_server", lambda client: is_single)
    busy, plain = get_broker("test-terms"), get_broker("test-leased")
    busy.enqueue_task("a", Terms("a", delay=60))
    plain.enqueue("b")
    plain.dequeue(wait=0)
    get_broker("test-dead").connection.rpush("django_q:test-dead:q:dead", "junk")

    assert set(broker.queue_names()) >= {busy.list_key, plain.list_key}
    assert {broker.list_key, "django_q:test-dead:q"}.isdisjoint(broker.queue_names())
    for each in (busy, plain):
        each.close()


def test_who_may_not_search_the_server_is_told_of_one_queue(root, limited):
    root.rpush("django_q:other:q", "task")
    root.execute_command("ACL", "SETUSER", "limited", "-scan")
    try:
        assert limited.queue_names() == [key_of("q")]
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "+@all")
    assert limited.queue_names() == ["django_q:other:q"]


def test_a_search_for_queues_among_too_many_keys_ends(root, limited, monkeypatch):
    monkeypatch.setattr(listing, "MAX_SCAN_STEPS", 1)
    monkeypatch.setattr(listing, "SCAN_PAGE_SIZE", 1)
    root.mset({f"django_q:other:{n}": "" for n in range(500)})

    assert limited.queue_names() == []


def test_counts_of_a_key_of_another_type_name_it(root, limited):
    root.set(key_of("ready"), "text")

    with pytest.raises(redis.ResponseError) as caught:
        limited.count_tasks()

    assert "django_q:test:q:ready" in limited.refusal(caught.value)
