"""Brokers that derive from ours and override what django-q2 has."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_q.brokers import Delivery, adapt_broker
from django_q.brokers.adapter import BrokerAdapter, as_delivery, as_list
from django_q.brokers.contract.orders import ORDERS
from django_q.brokers.memory import Memory
from django_q.brokers.orm import ORM
from django_q.brokers.redis_broker import Redis
from django_q.brokers.sqs.broker import Sqs
from django_q.brokers.terms import TERM_OPTIONS, Terms
from django_q.models import Schedule, Success
from django_q.scheduler import scheduler
from django_q.tasks import async_chain, async_iter, async_task
from tests import subclassed_brokers
from tests.subclassed_brokers import calls, noted

pytestmark = pytest.mark.django_db(transaction=True)

OURS = [Memory, ORM, Redis, Sqs]
OWN_DEQUEUE = ["PlainORM", "AnyORM", "PlainRedis", "AnyRedis", "BareORM", "BareRedis", "OddRedis"]


@pytest.fixture
def use(make_broker: Any, conf: Any) -> Any:
    """Use a subclass as the broker of the project."""

    def made(cls: type, name: str | None = None) -> Any:
        broker = make_broker("orm" if issubclass(cls, ORM) else "redis")
        setattr(subclassed_brokers, cls.__name__, cls)
        conf(broker_class=f"tests.subclassed_brokers.{name or cls.__name__}", poll=0.01)
        calls.clear()
        return cls(broker.list_key)

    return made


@pytest.mark.parametrize("name", OWN_DEQUEUE)
def test_a_task_runs_once_by_a_broker_with_a_dequeue_of_its_own(use, run_all, name):
    broker = use(getattr(subclassed_brokers, name))
    for number in range(5):
        async_task("tests.tasks.echo", number, broker=broker)

    run_all(broker)

    assert sorted(Success.objects.values_list("args", flat=True)) == [(n,) for n in range(5)]
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)


@pytest.mark.parametrize("name", ["PlainORM", "AnyORM", "PlainRedis", "AnyRedis"])
def test_what_a_broker_of_ours_gives_keeps_its_lease(use, name):
    broker = adapt_broker(use(getattr(subclassed_brokers, name)))
    broker.enqueue("payload")
    (first,) = broker.dequeue(5, wait=0)

    assert first.attempt == 1
    assert broker.extend([first.ack_id], 60) == set()
    assert broker.release([first.ack_id]) == set()
    assert broker.acknowledge_many([first.ack_id]) == {first.ack_id}
    (second,) = broker.dequeue(5, wait=1)
    assert second.attempt == 2
    assert broker.redelivers
    assert broker.acknowledge(second.ack_id) is True
    broker.close()


@pytest.mark.parametrize("base", [ORM, Redis])
def test_an_enqueue_of_its_own_gets_every_task(use, run_all, base):
    broker = use(noted(base, "enqueue"))

    async_task("tests.tasks.echo", 1)
    async_iter("tests.tasks.echo", [2, 3, 4])
    async_chain(["tests.tasks.nothing", "tests.tasks.nothing"])
    Schedule.objects.create(func="tests.tasks.echo", next_run=timezone.now() - timedelta(seconds=1))
    scheduler()
    run_all(broker)

    assert [name for name, *_ in calls] == ["enqueue"] * 7
    assert broker.queue_size() == broker.lock_size() == 0


@pytest.mark.parametrize("base", [ORM, Redis])
def test_an_enqueue_of_its_own_is_asked_once_for_a_key(use, base):
    broker = use(noted(base, "enqueue"))

    assert broker.enqueue_once("payload", "key") is True
    assert broker.enqueue_once("payload", "key") is False

    assert (len(calls), broker.queue_size()) == (1, 1)


@pytest.mark.parametrize("base", [ORM, Redis])
@pytest.mark.parametrize("name", ["acknowledge", "delete"])
def test_each_end_calls_an_acknowledge_or_delete_of_its_own(use, run_all, base, name):
    broker = use(noted(base, name))
    for number in range(3):
        async_task("tests.tasks.echo", number)

    run_all(broker)

    assert [called for called, *_ in calls] == [name] * 3
    assert broker.lock_size() == 0


def test_a_delete_of_its_own_gets_the_id_of_a_row_that_is_still_held(use):
    broker = use(noted(ORM, "delete"))
    pk = broker.enqueue("payload")
    ((old, *_),) = broker.dequeue(wait=0)
    broker.release([old])
    ((new, *_),) = broker.dequeue(wait=0)

    assert broker.acknowledge_many([old]) == {old}
    assert calls == []
    assert broker.acknowledge_many([new]) == set()
    assert calls == [("delete", pk)]


@pytest.mark.parametrize("base", [ORM, Redis])
def test_what_can_not_be_read_goes_to_a_fail_of_its_own(use, run_once, base):
    broker = use(noted(base, "fail"))
    broker.enqueue("junk")

    run_once(broker)

    assert [called for called, *_ in calls] == ["fail"]
    assert broker.queue_size() == broker.lock_size() == 0


def test_a_method_of_a_mixin_counts_and_one_below_it_does_too():
    class Mixin:
        def enqueue(self, payload: str) -> str:
            return f"mixed {payload}"

    class Mixed(Mixin, ORM):
        pass

    class Whole(Mixed):
        def enqueue_many(self, payloads: list) -> list:
            return ["whole"]

    class Further(Whole):
        pass

    assert Mixed().enqueue_many(["a", "b"]) == ["mixed a", "mixed b"]
    assert Further().enqueue_many(["a"]) == ["whole"]


@pytest.mark.parametrize("receipt", [{"a": 1}, object(), "junk", ("x",), 3.5, b"\xff"])
@pytest.mark.parametrize("base", [ORM, Redis])
def test_a_receipt_that_a_driver_can_not_encode_is_named_and_no_outage(use, caplog, base, receipt):
    broker = BrokerAdapter(use(type("Other", (base,), {"dequeue": lambda self: None})))

    with caplog.at_level(logging.ERROR, "django-q"):
        assert broker.acknowledge_many([receipt, None]) == set()

    assert len(caplog.records) <= 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ([], []),
        (("a", "b"), [("a", "b", 1)]),
        ([("a", "b"), ["c", "d"]], [("a", "b", 1), ("c", "d", 1)]),
        ((("a", "b"), ("c", "d")), [("a", "b", 1), ("c", "d", 1)]),
        ((each for each in [(1, "b")]), [(1, "b", 1)]),
        (Delivery("a", "b", 4), [("a", "b", 4)]),
        ([Delivery("a", "b", 4)], [("a", "b", 4)]),
        ([("a", "b", 4)], [("a", "b", 4)]),
        ((None, b"b"), [(None, b"b", 1)]),
    ],
)
def test_whatever_a_dequeue_gives_is_understood(given, expected):
    assert [as_delivery(each)[:3] for each in as_list(given)] == expected


def test_what_a_dequeue_must_not_give_is_said():
    with pytest.raises(TypeError, match="pairs of a receipt and a payload; got 'payload'"):
        [as_delivery(each) for each in as_list(["payload"])]


@pytest.mark.parametrize("base", OURS)
@pytest.mark.parametrize("name", ["enqueue", "dequeue"])
def test_a_way_of_its_own_to_enqueue_or_dequeue_serves_no_options(base, name):
    made = noted(base, name)

    assert made.serves == type("Further", (made,), {}).serves == frozenset()
    assert type("Own", (made,), {"serves": frozenset({"track"})}).serves == {"track"}


@pytest.mark.parametrize("base", OURS)
def test_what_overrides_other_methods_serves_what_its_base_does(base):
    made = noted(base, "acknowledge", "fail", "delete", "queue_size")

    assert made.serves == base.serves


def test_a_method_of_a_mixin_serves_no_options_unless_the_mixin_says_so():
    class Mixin:
        def enqueue(self, payload: str) -> str:
            return f"mixed {payload}"

    class Serving(Mixin):
        serves = TERM_OPTIONS

    assert type("Mixed", (Mixin, Memory), {}).serves == frozenset()
    assert type("Mixed", (Serving, Memory), {}).serves == TERM_OPTIONS


@pytest.mark.parametrize("base", OURS)
def test_a_dequeue_of_its_own_obeys_no_orders_and_gives_no_states(base):
    made = noted(base, "dequeue")

    assert made.obeys == type("Further", (made,), {}).obeys == frozenset()
    assert made.keeps_state is type("Further", (made,), {}).keeps_state is False
    own = type("Own", (made,), {"obeys": frozenset({"pause"}), "keeps_state": True})
    assert (own.obeys, own.keeps_state) == ({"pause"}, True)


@pytest.mark.parametrize("base", OURS)
def test_what_overrides_other_methods_obeys_what_its_base_does(base):
    made = noted(base, "enqueue", "acknowledge", "fail", "delete", "queue_size")

    assert (made.obeys, made.keeps_state) == (base.obeys, base.keeps_state)


def release_as_before(self, ack_ids, delay=0, count=True):
    return super(type(self), self).release(ack_ids, delay, count)


def release_by_name(self, ack_ids, **options):
    return super(type(self), self).release(ack_ids, **options)


def release_with_states(self, ack_ids, delay=0, count=True, states=None):
    return super(type(self), self).release(ack_ids, delay, count, states)


@pytest.mark.parametrize(
    ("release", "keeps_state"),
    [(release_as_before, False), (release_by_name, True), (release_with_states, True)],
)
def test_a_release_that_takes_no_states_keeps_none(release, keeps_state):
    made = type("Releasing", (Memory,), {"release": release})

    assert made.keeps_state is keeps_state
    assert made.obeys == ORDERS
    assert type("Own", (made,), {"keeps_state": True}).keeps_state is True


def test_a_subclass_that_serves_options_enqueues_once_with_terms(use):
    class Serving(noted(Memory, "enqueue")):
        serves = TERM_OPTIONS

    broker, terms = Serving("serving"), Terms("first", unique="a" * 32)
    calls.clear()

    assert broker.enqueue_once("a", "key", terms) is True
    assert broker.enqueue_once("b", "other", terms) is False
    assert broker.enqueue_once("c", "third") is True
    assert calls == [("enqueue", "c")]
    assert broker.queue_size() == 2
    broker.delete_queue()
