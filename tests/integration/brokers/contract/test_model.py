"""Each broker does what the one in memory does, whatever is asked of it in whatever order.

They differ in two things, and may:

* The order in which what was leased or delayed comes again, and whether it comes before what has
  waited meanwhile. What was handed back without a delay comes before what nobody has taken, and
  that comes in the order in which it was enqueued.
* Redis takes what is handed back unseen for new: an earlier receipt does not delete it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from django_q.brokers.memory import Memory, clear_queues
from tests.conftest import clear
from tests.integration.brokers.contract.kinds import LEASING, payload_texts, str_of
from tests.integration.brokers.contract.passing_time import let_pass

pytestmark = pytest.mark.once

#: Seconds of a lease. All times are far longer than a sequence takes, on a machine that has much
#: to do as well: only the model's clock stands still meanwhile.
LEASE = 30
#: More than a queue ever has.
ALL = 1000

DELAYS = st.sampled_from([10, 20, 40])


@dataclass(frozen=True)
class Taken:
    """A delivery, or a delayed payload, on both brokers."""

    payload: str
    real: object = field(repr=False)  #: the receipt or id that the broker gave
    model: object  #: that of the model


class Comparison(RuleBasedStateMachine):
    """A broker and its model, asked for the same."""

    taken, delayed = Bundle("taken"), Bundle("delayed")
    #: More deliveries beside one: a list alone would be drawn where there is no delivery yet.
    more = st.lists(taken, max_size=2)

    def __init__(self, broker):
        super().__init__()
        clear(broker)
        clear_queues()
        self.time = 1_000_000
        self.real, self.model = broker, Memory(now=lambda: self.time)
        self.names = map(str, itertools.count(1))
        self.moved = set()  # payloads that were leased or delayed
        self.renewed = set()  # and those that were handed back unseen

    def messages(self):
        """What the model has, by payload."""
        with self.model.queue() as queue:
            return {each.payload: each for each in queue.messages.values()}

    def change(self, change, one, more):
        """Change deliveries on both. Compares which were stale."""
        taken = list(dict.fromkeys([one, *more]))
        real = change(self.real, [each.real for each in taken])
        model = change(self.model, [each.model for each in taken])
        by_receipt = {each.real: each.model for each in taken}
        assert {by_receipt[receipt] for receipt in real} == model

    @rule(count=st.integers(1, 3))
    def enqueue(self, count):
        added = [next(self.names) for _ in range(count)]
        assert len(self.real.enqueue_many(added)) == len(self.model.enqueue_many(added))

    @rule()
    def enqueue_one(self):
        payload = next(self.names)
        self.real.enqueue(payload), self.model.enqueue(payload)

    @rule(delay=DELAYS, target=delayed)
    def enqueue_for_later(self, delay):
        payload = next(self.names)
        self.moved.add(payload)
        real, model = (each.enqueue(payload, delay=delay) for each in (self.real, self.model))
        return Taken(payload, str_of(real), model)

    @rule(key=st.sampled_from("ab"))
    def enqueue_once(self, key):
        payload = next(self.names)
        assert self.real.enqueue_once(payload, key) == self.model.enqueue_once(payload, key)

    @rule(keys=st.sets(st.sampled_from("ab")))
    def release_once_keys(self, keys):
        self.real.release_once_keys(keys), self.model.release_once_keys(keys)

    @rule(limit=st.integers(1, 4) | st.just(ALL), target=taken)
    def take(self, limit):
        with self.model.queue() as queue:
            due = queue.due()
        front = {each.payload for each in due if each.due == -math.inf}
        if any(each.payload in self.moved for each in due):
            limit = ALL  # or each would take what comes first there
        real, model = (each.dequeue(limit, wait=0) for each in (self.real, self.model))

        assert self.ordered(real, front) == self.ordered(model, front)
        assert attempts(real) == attempts(model)
        self.moved.update(payload_texts(model))
        receipts = {str_of(each.payload): each.ack_id for each in real}
        return multiple(*(Taken(e.payload, receipts[e.payload], e.ack_id) for e in model))

    def ordered(self, deliveries, front):
        """List what is promised of their order."""
        names = [
            name for name in payload_texts(deliveries) if name in front or name not in self.moved
        ]
        return ["" if name in front else name for name in names]

    @rule(one=taken, more=more)
    def acknowledge_many(self, one, more):
        self.change(lambda broker, receipts: broker.acknowledge_many(receipts), one, more)

    @rule(one=taken)
    def acknowledge(self, one):
        assert self.real.acknowledge(one.real) is self.model.acknowledge(one.model)

    @rule(one=taken, more=more, seconds=st.just(0) | DELAYS)
    def extend(self, one, more, seconds):
        self.change(lambda broker, receipts: broker.extend(receipts, seconds), one, more)

    @rule(one=taken, more=more, delay=st.just(0) | DELAYS, count=st.booleans())
    def release(self, one, more, delay, count):
        self.change(lambda broker, receipts: broker.release(receipts, delay, count), one, more)
        self.renewed |= {
            name
            for name, each in self.messages().items()
            if each.due == -math.inf and not each.attempts
        }

    @rule(one=taken)
    def read(self, one):
        assert str_of(self.real.read(one.real)) == self.model.read(one.model)

    @rule(one=taken)
    def move_to_dead_letters(self, one):
        self.real.move_to_dead_letters(one.real, one.payload)
        self.model.move_to_dead_letters(one.model, one.payload)

    @rule(one=taken | delayed)
    def delete(self, one):
        message = self.messages().get(one.payload)
        if one.payload not in self.renewed or (message and message.receipt == one.model):
            assert bool(self.real.delete(one.real)) is self.model.delete(one.model)

    @rule(method=st.sampled_from(["purge_queue", "delete_queue"]))
    def empty(self, method):
        for broker in (self.real, self.model):
            getattr(broker, method)()

    @rule(seconds=st.sampled_from([10, LEASE]))
    def let_pass(self, seconds):
        """Let time pass: what is leased all that while has lost its holder."""
        let_pass(self.real, seconds)
        self.time += seconds

    @invariant()
    def sizes_are_the_same(self):
        assert sizes(self.real) == sizes(self.model)


def attempts(deliveries):
    return {str_of(each.payload): each.attempt for each in deliveries}


def sizes(broker):
    return broker.queue_size(), broker.lock_size(), broker.dead_size()


#: How many sequences are tried on each broker; on PostgreSQL one takes long.
SEQUENCES = {"redis": 200, "redis62": 150, "orm": 150, "postgres": 80, "other database": 40}


@pytest.mark.parametrize("broker", [kind for kind in LEASING if kind != "memory"], indirect=True)
def test_a_broker_does_what_the_model_does(request, broker, conf):
    conf(retry=LEASE)
    many = settings(
        max_examples=SEQUENCES[request.node.callspec.params["broker"]],
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )

    run_state_machine_as_test(partial(Comparison, broker), settings=many)
