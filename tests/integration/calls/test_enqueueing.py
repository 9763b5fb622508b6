"""Tasks with terms on the queue: what becomes of those whose key another task has."""

from __future__ import annotations

from typing import Any

import pytest

from django_q.brokers import adapt_broker
from django_q.brokers.memory import Memory
from django_q.brokers.terms import Enqueued
from django_q.calls.producer import submit_once
from django_q.exceptions import AlreadyEnqueued, UnsupportedOption
from django_q.humanhash import humanize
from django_q.models import Success
from django_q.signals import pre_enqueue
from django_q.signing import SignedPackage
from django_q.tasks import async_batch, async_chain, async_iter, async_task, fetch
from django_q.wire.package import new_package
from tests.tasks import echo, multiply

pytestmark = pytest.mark.django_db(transaction=True)

MEMORY = pytest.mark.parametrize("broker", ["memory"], indirect=True)


def unique(key: Any = "key", *args: Any, **options: Any) -> str:
    """Call ``echo`` with a unique key."""
    return async_task(echo, *args, q_options={"unique": key, **options})


def waiting(broker: Any) -> list[dict]:
    """List the packages in a queue."""
    return [SignedPackage.loads(task.payload) for task in broker.list_tasks()]


@pytest.mark.parametrize("broker", ["custom", "sqs"], indirect=True)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("priority", 1), ("run_after", 5), ("expires", 5), ("unique", True)],
        *[("idempotency_key", "a"), ("track", True), ("retries", 3)],
    ],
)
def test_an_option_that_the_broker_does_not_serve_is_refused_by_name(broker, option, value):
    options = {"q_options": {option: value}}
    for call in (
        lambda: async_task(echo, **options),
        lambda: async_batch([echo, (echo, (), options)]),
        lambda: async_chain([echo], **options),
    ):
        with pytest.raises(UnsupportedOption, match=f"does not serve the option '{option}'") as no:
            call()
        assert type(broker).__name__ in str(no.value)
    assert broker.queue_size() == 0


@pytest.mark.parametrize("broker", ["custom"], indirect=True)
def test_the_error_names_the_broker_that_an_adapter_was_made_for(broker):
    with pytest.raises(UnsupportedOption, match="OldBroker does not serve"):
        async_task(echo, broker=adapt_broker(broker), q_options={"priority": 1})


@pytest.mark.parametrize("broker", ["custom"], indirect=True)
def test_options_that_need_no_terms_are_served_by_every_broker(broker):
    async_task(echo, q_options={"priority": 0, "track": False, "run_after": 0, "unique": False})
    async_task(echo, q_options={"retries": 0, "retry_delay": 5, "soft_timeout": 5})

    assert broker.queue_size() == 2


@MEMORY
def test_calls_without_terms_go_as_they_always_went(broker, monkeypatch):
    monkeypatch.delattr(Memory, "enqueue_tasks")

    async_task(echo, group="a")
    async_batch([echo, echo])
    async_task(echo, q_options={"retries": 3, "retry_on": OSError})

    assert [task.task_id for task in broker.list_tasks()] == ["", "", "", ""]


@MEMORY
def test_a_tracked_task_is_found_by_the_id_that_the_call_returns(broker):
    task_id = async_task(echo, 1, q_options={"track": True})

    assert SignedPackage.loads(broker.find(task_id).payload)["id"] == task_id


@MEMORY
def test_by_default_a_second_call_gets_the_id_of_the_first(broker):
    first = unique("a", 1)

    assert unique("a", 2) == first
    assert unique("b") != first
    assert [package["args"] for package in waiting(broker)] == [(1,), ()]


@MEMORY
def test_calls_of_one_function_with_the_same_arguments_are_the_same(broker):
    first = unique(True, 1)

    assert unique(True, 1) == first
    assert len({first, unique(True, 2), unique("1", 1)}) == 3


@MEMORY
def test_the_key_is_free_when_the_task_has_ended(broker, run_once):
    first = unique()
    run_once(broker)

    assert unique() != first


@MEMORY
def test_a_rejected_call_names_the_task_that_has_the_key(broker):
    first = unique()

    with pytest.raises(
        AlreadyEnqueued, match=rf"'tests.tasks.echo' is not .* {first} .*'key'"
    ) as no:
        unique(on_duplicate="reject")

    assert no.value.task_id == first
    assert len(broker.list_tasks()) == 1


@MEMORY
def test_a_replaced_task_keeps_its_id_and_makes_the_last_call(broker, run_once):
    first = unique("key", 1, on_duplicate="replace", run_after=60, priority=1)
    second = unique("key", 2, on_duplicate="replace", priority=7)

    (package,) = waiting(broker)
    (task,) = broker.list_tasks()
    assert first == second == package["id"] == task.task_id
    assert (package["args"], package["name"]) == ((2,), humanize(first))
    assert (task.priority, task.due) == (7, None)
    run_once(broker)
    assert fetch(first).result == ((2,), {})


@MEMORY
def test_a_replaced_task_gets_the_name_of_the_last_call(broker):
    unique(on_duplicate="replace", task_name="first")
    unique(on_duplicate="replace", task_name="second")

    assert [package["name"] for package in waiting(broker)] == ["second"]


@MEMORY
def test_while_a_task_runs_one_successor_waits(broker):
    first = unique("key", 1)
    (delivery,) = broker.dequeue(1, 0)

    second = unique("key", 2, on_duplicate="replace")
    third = unique("key", 3, on_duplicate="replace")

    assert first != second == third
    assert [package["args"] for package in waiting(broker)] == [(1,), (3,)]
    assert broker.dequeue(1, 0) == []
    broker.acknowledge(delivery.ack_id)
    assert len(broker.dequeue(1, 0)) == 1


@MEMORY
def test_a_key_that_is_kept_after_the_end_replaces_nothing(broker, run_once):
    first = unique(unique_for=60)
    run_once(broker)

    assert unique(on_duplicate="replace") == unique() == first
    assert broker.list_tasks() == []


@MEMORY
def test_replacing_is_tried_again_where_others_are_faster(broker, monkeypatch):
    replace_task, first = Memory.replace_task, unique("key", 1)
    losses = [False, False]

    def lose_twice(*args: Any) -> bool:
        return losses.pop() if losses else replace_task(*args)

    monkeypatch.setattr(Memory, "replace_task", lose_twice)

    assert unique("key", 2, on_duplicate="replace") == first
    assert [package["args"] for package in waiting(broker)] == [(2,)]


@MEMORY
def test_replacing_ends_where_others_are_faster_each_time(broker, monkeypatch):
    first = unique("key", 1)
    monkeypatch.setattr(Memory, "replace_task", lambda *args: False)

    with pytest.raises(AlreadyEnqueued, match="changed whenever") as no:
        unique("key", 2, on_duplicate="replace")
    assert no.value.task_id == first


@MEMORY
def test_pre_enqueue_is_sent_once_for_a_call_that_replaces(broker):
    sent = []

    def receive(sender: Any, task: dict, **kwargs: Any) -> None:
        sent.append(task["args"])
        task["group"] = "seen"

    unique("key", 1, on_duplicate="replace")
    pre_enqueue.connect(receive)
    try:
        unique("key", 2, on_duplicate="replace")
    finally:
        pre_enqueue.disconnect(receive)

    assert sent == [(2,)]
    assert [package["group"] for package in waiting(broker)] == ["seen"]


@MEMORY
def test_a_task_whose_key_becomes_free_while_it_is_looked_for_is_enqueued(broker, monkeypatch):
    unique()
    find = Memory.find_duplicate

    def find_late(self, terms):
        for delivery in self.dequeue(1, 0):
            self.acknowledge(delivery.ack_id)
        return find(self, terms)

    monkeypatch.setattr(Memory, "find_duplicate", find_late)
    link = new_package(echo, (2,), {}, {"unique": "key"})

    assert submit_once(link, broker) == link["id"]
    assert [package["id"] for package in waiting(broker)] == [link["id"]]


@MEMORY
def test_an_idempotency_key_stands_for_the_first_call_when_it_has_ended(broker, run_once):
    key = {"q_options": {"idempotency_key": "order 1"}}
    first = async_task(echo, 1, **key)
    run_once(broker)
    Success.objects.all().delete()

    assert async_task(multiply, 2, 3, **key) == first
    assert broker.list_tasks() == []


@MEMORY
def test_each_call_of_a_batch_has_its_own_options_in_one_round_trip(broker, monkeypatch):
    rounds, enqueue_tasks = [], Memory.enqueue_tasks
    first = unique("a")

    def count(self: Any, tasks: Any) -> list[Enqueued]:
        rounds.append(1)
        return enqueue_tasks(self, tasks)

    monkeypatch.setattr(Memory, "enqueue_tasks", count)
    calls = [
        (echo, (1,)),
        (echo, (2,), {"q_options": {"priority": 5, "unique": "a"}}),
        (echo, (3,), {"q_options": {"priority": 6, "unique": "b"}}),
        (echo, (4,), {"q_options": {"unique": "b"}}),
    ]

    ids = async_batch(calls, q_options={"priority": 1})

    assert (rounds, ids[1], ids[2]) == ([1], first, ids[3])
    assert [task.priority for task in broker.list_tasks()] == [0, 1, 6]


@MEMORY
@pytest.mark.parametrize("earlier", [0, 1])
def test_a_batch_with_a_call_that_is_rejected_enqueues_nothing(broker, earlier):
    rejected = (echo, (2,), {"q_options": {"unique": "a", "on_duplicate": "reject"}})
    others = [(echo, (1,))] if earlier else [(echo, (1,), {"q_options": {"unique": "a"}})]
    for _ in range(earlier):
        unique("a")

    with pytest.raises(AlreadyEnqueued):
        async_batch([*others, rejected])

    assert len(broker.list_tasks()) == earlier


@MEMORY
@pytest.mark.parametrize("option", ["unique", "idempotency_key"])
@pytest.mark.parametrize("values", [[], [1]])
def test_an_iterable_can_not_be_unique(broker, option, values):
    with pytest.raises(ValueError, match=f"The option '{option}' is for one task"):
        async_iter(echo, values, q_options={option: "a"})


@MEMORY
def test_the_items_of_an_iterable_have_its_options(broker):
    async_iter(echo, [1, 2], q_options={"priority": 5, "run_after": 60, "expires": 90})

    one, other = broker.list_tasks()
    assert one.priority == other.priority == 5
    assert one.due == pytest.approx(one.since + 60, abs=1)
    assert other.expires == pytest.approx(other.since + 90, abs=1)
