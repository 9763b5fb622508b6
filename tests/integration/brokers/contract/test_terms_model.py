"""Each broker does with tasks that have terms what the one in memory does, in whatever order.

``test_model.py`` does the same for plain tasks, and says how brokers may differ; ``orders.py`` says
in which order tasks may come, and ``order_rules.py`` has the rules of states and orders.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from django_q.brokers.memory import Memory, clear_queues
from django_q.brokers.orm.broker import ORM
from django_q.brokers.terms import OLDEST_FIRST_INTERVAL, Terms
from tests.conftest import clear
from tests.integration.brokers.contract import orders
from tests.integration.brokers.contract.kinds import digest, of_serving, payload_texts, str_of
from tests.integration.brokers.contract.order_rules import OrderRules
from tests.integration.brokers.contract.passing_time import let_pass

pytestmark = pytest.mark.once

#: Seconds of a lease, and by which times may differ: see test_model.py.
LEASE, TOLERANCE = 30, 9
#: More than a queue ever has.
ALL = 1000

#: Seconds; each is a multiple of 10, as time passes in steps of 10.
DELAYS = st.sampled_from([0, 0, 0, 10, 20, 40])

OPTIONS = st.fixed_dictionaries(
    {
        "priority": st.sampled_from([-5, 0, 0, 5]),
        "unique": st.sampled_from(["", digest("a"), digest("a"), digest("b")]),
        "is_successor": st.booleans(),
    },
    optional={
        "delay": DELAYS,
        "due_in": DELAYS,
        "expires_in": st.sampled_from([20, 100]),
        "unique_for": st.sampled_from([0, 20]),
        "idempotency": st.sampled_from([digest("e"), digest("f")]),
        "idempotency_for": st.sampled_from([10, 40]),
    },
)


@dataclass(frozen=True)
class Taken:
    """A delivery, or a task that waits, on both brokers."""

    payload: str
    real: object = field(repr=False)  #: the receipt, or the version, that the broker gave
    model: object  #: that of the model


class TermsComparison(OrderRules):
    """A broker and its model, asked for the same."""

    taken, found = Bundle("taken"), Bundle("found")
    #: More deliveries beside one: a list alone would be drawn where there is no delivery yet.
    more = st.lists(taken, max_size=2)

    def __init__(self, broker):
        super().__init__()
        clear(broker)
        clear_queues()
        self.time = time.time()
        self.real, self.model = broker, Memory("model", now=lambda: self.time)
        self.names = map(str, itertools.count(1))
        self.takes = self.oldest_first = 0
        self.forget_orders()

    def messages(self):
        """What the model has, by payload."""
        with self.model.queue() as queue:
            return {each.payload: each for each in queue.messages.values()}

    def both(self, method, *args):
        """Call a method of both. Returns what they gave."""
        return [getattr(broker, method)(*args) for broker in (self.real, self.model)]

    def terms(self, options, task_id):
        """Make the terms of a task for both, whose clocks differ."""
        options = {"task_id": task_id, **options}
        due_in = options.pop("due_in", None)
        if due_in is None:
            return Terms(**options), Terms(**options)
        return [Terms(due_at=now + due_in, **options) for now in (time.time(), self.time)]

    def same(self, real, model):
        """Compare what became of tasks. Returns those that may be replaced."""
        assert [each[:2] for each in real] == [each[:2] for each in model]
        assert [bool(each.version) for each in real] == [bool(each.version) for each in model]
        pairs = zip(real, model, strict=True)
        return multiple(*(Taken(r.task_id, r.version, m.version) for r, m in pairs if m.version))

    @rule(count=st.integers(1, 2), delay=DELAYS)
    def enqueue(self, count, delay):
        for _ in range(count):
            self.both("enqueue", next(self.names), delay)

    @initialize(many=st.lists(OPTIONS, min_size=2, max_size=4), target=found)
    def begin_with_some(self, many):
        return self.enqueue_tasks(many)

    @rule(many=st.lists(OPTIONS, min_size=1, max_size=3), target=found)
    def enqueue_tasks(self, many):
        tasks = [(name, self.terms(options, name)) for options, name in zip(many, self.names)]  # noqa: B905 - names have no end
        return self.same(
            *(
                broker.enqueue_tasks([(name, terms[number]) for name, terms in tasks])
                for number, broker in enumerate((self.real, self.model))
            )
        )

    def enqueue_task(self, options):
        name = next(self.names)
        real, model = self.terms(options, name)
        return self.same(
            [self.real.enqueue_task(name, real)], [self.model.enqueue_task(name, model)]
        )

    @rule(options=OPTIONS, one=taken, target=found)
    def enqueue_task_of_same_key(self, options, one):
        """Enqueue behind a task that has been taken, which may be leased still."""
        message = self.messages().get(one.payload)
        return self.enqueue_task({**options, "unique": message.unique if message else digest("a")})

    @rule(options=OPTIONS, key=st.sampled_from("ab"))
    def enqueue_once(self, options, key):
        name = next(self.names)
        real, model = self.terms(options, name)
        assert self.real.enqueue_once(name, key, real) == self.model.enqueue_once(name, key, model)

    @rule(options=OPTIONS, target=found)
    def find_duplicate(self, options):
        real, model = self.both("find_duplicate", Terms("new", **without_due(options)))
        return self.same([real] if real else [], [model] if model else [])

    @rule(one=found, options=OPTIONS)
    def replace(self, one, options):
        message = next(
            (e for e in self.messages().values() if e.terms and e.terms.task_id == one.payload),
            None,
        )
        options = {**options, "unique": message.unique} if message else options
        real, model = self.terms(options, one.payload)
        name = next(self.names)
        is_replaced = self.real.replace_task(one.real, name, real)
        # A database puts a successor back that it has looked at, which then has another version.
        is_refusable = isinstance(self.real, ORM) and message and message.terms.is_successor
        if is_replaced or not is_refusable:
            assert self.model.replace_task(one.model, name, model) is is_replaced

    @rule(target=taken)
    def take_all(self):
        return self.take(ALL)

    @rule(limit=st.integers(1, 4), target=taken)
    def take(self, limit):
        with self.model.queue() as queue:
            queue.takes = 0  # or it would begin with the oldest
            count = len(queue.takable(limit, self.model.cluster_id))
        taken = []
        # One take may leave something behind where it is not known what priorities there are.
        while len(taken) < count and (more := self.take_once(limit - len(taken))):
            taken += more
        assert len(taken) == count
        assert count == limit or self.take_once(limit) == []
        return multiple(*taken)

    def take_once(self, limit):
        """Take from the broker, and lease the same in the model."""
        with self.model.queue() as queue:
            queue.takes = 0  # as above
            due, room = queue.due(), queue.room(self.model.cluster_id)
        by_payload = {each.payload: each for each in due}
        real = self.real.dequeue(limit, wait=0)
        messages = [by_payload[name] for name in payload_texts(real)]
        self.check_order(messages, due)
        with self.model.queue() as queue:
            queue.lease(messages, LEASE)
        for delivery, message in zip(real, messages, strict=True):
            assert delivery.attempt == message.attempts
            assert near(delivery.expires_in, message.expires - self.time)
            assert delivery.state == (message.kept if any(message.kept) else None)
        if not messages:
            self.compare_held(room)
        pairs = zip(real, messages, strict=True)
        return [Taken(m.payload, d.ack_id, m.receipt) for d, m in pairs]

    def check_order(self, messages, due):
        """Check the order: first those that are cancelled; one of so many takes has the oldest."""
        self.takes += 1
        marked = [each for each in due if each.is_marked]
        others = messages[len(marked) :]
        assert set(map(id, messages[: len(marked)])) <= set(map(id, marked))
        due = [each for each in due if not each.is_marked]
        if not orders.misplaced(others, due):
            return
        self.oldest_first += 1
        assert self.oldest_first <= 1 + self.takes / OLDEST_FIRST_INTERVAL
        assert orders.may_be_oldest(others[0], due), (others, due)
        rest = [each for each in due if each is not others[0]]
        assert not orders.misplaced(others[1:], rest), (others, due)

    def change(self, change, one, more):
        """Change deliveries on both. Compares which were stale."""
        taken = list(dict.fromkeys([one, *more]))
        real = change(self.real, [each.real for each in taken])
        model = change(self.model, [each.model for each in taken])
        by_receipt = {each.real: each.model for each in taken}
        assert {by_receipt[receipt] for receipt in real} == model

    @rule(one=taken, more=more)
    def acknowledge(self, one, more):
        self.change(lambda broker, receipts: broker.acknowledge_many(receipts), one, more)

    @rule(one=taken, more=more, seconds=DELAYS)
    def extend(self, one, more, seconds):
        self.change(lambda broker, receipts: broker.extend(receipts, seconds), one, more)

    @rule(one=consumes(taken))
    def move_to_dead_letters(self, one):
        self.real.move_to_dead_letters(one.real, one.payload)
        self.model.move_to_dead_letters(one.model, one.payload)

    @rule(one=consumes(taken))
    def delete(self, one):
        message = self.messages().get(one.payload)
        if message and message.receipt == one.model:
            assert bool(self.real.delete(one.real)) is self.model.delete(one.model)

    @rule(method=st.sampled_from([*[None] * 6, "purge_queue", "delete_queue"]))
    def empty(self, method):
        if method:
            self.both(method)
            self.compare_orders()

    @rule(seconds=st.sampled_from([10, LEASE]))
    def let_pass(self, seconds):
        """Let time pass: what is leased all that while has lost its holder."""
        let_pass(self.real, seconds)
        self.time += seconds

    @invariant()
    def the_same_is_in_both(self):
        assert sizes(self.real) == sizes(self.model)
        real, model = self.both("list_tasks", None, "", ALL)
        model = {each.payload: each for each in model}
        assert sorted(str_of(each.payload) for each in real) == sorted(model)
        for each in real:
            self.compare(each, model[str_of(each.payload)])

    def compare(self, real, model):
        """Compare two tasks of lists."""
        assert (real.state, real.priority, real.attempts) == model[1:2] + model[3:5]
        assert real.kept == model.kept
        assert near(real.due, model.due and model.due - self.time + time.time())
        assert near(real.expires, model.expires and model.expires - self.time + time.time())
        assert model.task_id in (real.task_id, "")

    @invariant()
    def a_task_is_found_in_both(self):
        for each in list(self.messages().values())[-1:]:
            if each.terms:
                found = self.real.find(each.terms.task_id)
                assert str_of(found.payload) == each.payload


def without_due(options):
    return {name: value for name, value in options.items() if name != "due_in"}


def near(one, other):
    if one is None or other in (None, float("inf")):
        return one is None and other in (None, float("inf"))
    return abs(one - other) < TOLERANCE


def sizes(broker):
    return (
        broker.queue_size(),
        broker.lock_size(),
        broker.dead_size(),
        broker.count_tasks()[:3],
    )


#: How many sequences are tried on each broker; together they take about a minute.
SEQUENCES = {"redis": 200, "redis62": 120, "orm": 70, "postgres": 70, "other database": 20}


@of_serving
def test_a_broker_does_with_terms_what_the_model_does(request, broker, conf):
    conf(retry=LEASE)
    many = settings(
        max_examples=SEQUENCES.get(request.node.callspec.params["broker"], 20),
        stateful_step_count=25,
        deadline=None,
        phases=[Phase.generate],  # to shrink a sequence takes longer than a test may
        suppress_health_check=[HealthCheck.too_slow],
    )

    run_state_machine_as_test(partial(TermsComparison, broker), settings=many)
