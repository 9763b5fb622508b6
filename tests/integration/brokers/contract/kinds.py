"""The kinds of brokers that each promise is asked of, and what is read from them."""

from __future__ import annotations

import time
from itertools import chain, count

import pytest

from django_q.brokers.terms import Terms

#: Brokers that know leases. That in memory is of one process: all that is asked here is asked by
#: threads. What needs several processes, or a server, is not asked of it; those tests stand in
#: tests/processes, and in the folders of the other brokers.
LEASING = [
    "memory",
    "redis",
    "redis62",
    pytest.param("orm", marks=pytest.mark.django_db(transaction=True)),
    "postgres",
    "other database",
]


#: Brokers that take tasks with terms.
SERVING = LEASING


#: All brokers.
EACH = [*LEASING, "sqs", "custom"]


#: A lease that ends soon, in seconds.
SHORT = 0.3


#: What must not have passed when the next line is reached, on a machine that has much to do.
#: Nothing blocks meanwhile: Valkey may end a blocking command a second late.
LATER = 1


# What needs leases that can be extended and receipts that are judged is asked of those that have
# them; see the documentation of the others.
of_leasing = pytest.mark.parametrize("broker", LEASING, indirect=True)


# What changes several keys as one is asked in Redis Cluster, too, where they have to be together.
of_leasing_and_cluster = pytest.mark.parametrize(
    "broker", [*LEASING, "redis cluster"], indirect=True
)


of_serving = pytest.mark.parametrize("broker", SERVING, indirect=True)


of_each = pytest.mark.parametrize("broker", EACH, indirect=True)


task_numbers = count(1)


def make_terms(**options):
    """Make terms of a task with an id of its own."""
    return Terms(**{"task_id": f"task-{next(task_numbers)}", **options})


def put(broker, payload, **options):
    """Enqueue a task with terms; its id. It must be new."""
    terms = make_terms(**options)
    assert tuple(broker.enqueue_task(payload, terms)) == (terms.task_id, True, None)
    return terms.task_id


def digest(letter):
    """Make a digest of a key."""
    return letter * 32


#: A unique key.
KEY = digest("a")


def call(broker, payload="again", **options):
    """Enqueue a task with the key: what became of it."""
    return broker.enqueue_task(payload, make_terms(**{"unique": KEY, **options}))


def take_one(broker, wait=30):
    (delivery,) = broker.dequeue(wait=wait)
    return delivery


def payload_texts(deliveries):
    return [str_of(delivery.payload) for delivery in deliveries]


def str_of(payload):
    return payload.decode(errors="replace") if isinstance(payload, bytes) else payload


def joined(lists):
    return list(chain.from_iterable(lists))


#: Seconds of a lease of tasks with terms, as the fixture sets it.
LEASE = 30


def take_all(broker):
    """Take what is due: the payloads, in order."""
    return payload_texts(broker.dequeue(1000, wait=0))


def relative(seconds):
    return {"delay": seconds}


def absolute(seconds):
    return {"due_at": time.time() + seconds}
