"""A queue in Redis with some of all there is, and what becomes of it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from django_q.brokers import get_broker
from django_q.brokers.base import Delivery
from django_q.brokers.contract.kept_state import KeptState
from django_q.brokers.terms import Terms
from django_q.conf import Conf
from tests.integration.brokers.redis.keys import key_of

#: A member that never ends.
PLACEHOLDER = b"-" * 65
#: The terms of the task that is waiting under a unique key, and of one that is leased.
REPLACED = Terms("waits", unique="waiting", priority=3)
ENDED = Terms("leased", unique="ended", unique_for=60)
#: What is kept of two deliveries that are held.
KEPT = KeptState("attempts", "position")

#: What a key is without which a script finds nothing.
EMPTY = {"q": [], "running": {}, "leases": {}, "tries": {}, "dead": [], "key": None, "x": set()}
EMPTY |= {"task_leases": {}, "ready": {}, "delayed": {}, "held": {}, "tasks": {}, "terms": {}}
EMPTY |= {"task_tries": {}, "takes": None, "first": None, "ended": None}
EMPTY |= {"control": {}, "notices": {}}

KEYS = ["q", "running", "leases", "tries", "sequence", "dead", "clock", "mark", "index"]
KEYS += ["task_leases", "tasks", "terms", "ready", "delayed", "held", "task_tries"]
KEYS += ["takes", "kept:first", "kept:ended", "control", "notices"]


class Held(NamedTuple):
    """The deliveries that are held, and the version of the task that waits."""

    plain: list[Delivery]
    tasks: list[Delivery]
    version: str


def prepared(root, server, conf):
    """Fill a queue with some of all there is. Returns what is held of it."""
    root.flushall()
    conf(redis=server.url)
    broker = get_broker()
    broker.enqueue_many(f"task {n}" for n in range(9))
    broker.enqueue("delayed", delay=60)
    again, _ = broker.dequeue(2, wait=0)
    expire(root, again.ack_id)
    held = broker.dequeue(4, wait=0)
    expire(root, held[1].ack_id)
    broker.set_stat(f"{Conf.Q_STAT}:1", "beat", 30)
    root.sadd(Conf.Q_STAT, f"{Conf.Q_STAT}:gone")
    broker.move_to_dead_letters(held.pop().ack_id, "junk")
    # What an earlier release has left, and what it has left although there is another copy.
    lost = {7: "lost", 8: "lost too", 9: "task 8", 10: held[0].payload, 11: "lost"}
    root.hset(key_of("running"), mapping=lost)
    tasks = prepared_tasks(broker, root)
    version = broker.find_duplicate(REPLACED).version
    give_orders(broker, root)
    broker.keep_state({held[0].ack_id: KEPT, tasks[1].ack_id: KEPT})
    broker.close()
    return Held([held[0], *held[2:]], tasks, version)


def prepared_tasks(broker, root):
    """Add tasks with terms. Returns the deliveries that are held."""
    broker.enqueue_tasks(
        [
            ("lost lease", Terms("lost lease", priority=100)),
            ("leased", ENDED),
            ("leased too", Terms("leased too", priority=50)),
        ]
    )
    root.rename(key_of("q"), "waiting")  # and what has ended there
    root.rename(key_of("leases"), "ended")
    lost, *held = broker.dequeue(9, wait=0)
    expire(root, lost.ack_id)
    root.rename("waiting", key_of("q"))
    root.rename("ended", key_of("leases"))
    broker.enqueue_tasks(
        [
            ("behind", Terms("behind", unique="ended", is_successor=True)),
            ("waits", REPLACED),
            ("low", Terms("low", priority=-5, idempotency="first", idempotency_for=60)),
            ("due", Terms("due", priority=1, delay=60)),
            ("later", Terms("later", delay=60, expires_in=600)),
            ("cancelled", Terms("cancelled", delay=60)),
        ]
    )
    root.zadd(key_of("delayed"), {root.hget(key_of("terms"), "task:due"): 1})
    root.zadd(key_of("task_leases"), {PLACEHOLDER: 0})
    return held


def give_orders(broker, root):
    """Limit the queue to more than it has, cancel a task, and post notices."""
    broker.set_limit(1000)
    broker.cancel_task("cancelled", "by somebody")
    broker.post_notice("task:posted", "by somebody", 60)
    root.hset(key_of("notices"), "task:over", "1|2|by nobody")


def new_tasks():
    """Give tasks to enqueue, two of which are there already."""
    return [
        ("first", Terms("first", priority=7)),
        ("same", Terms("same", idempotency="first", idempotency_for=60)),
        ("another", Terms("another", unique="waiting")),
        ("unique", Terms("unique", unique="new", idempotency="second", idempotency_for=60)),
        ("for later", Terms("for later", delay=60)),
    ]


def receipts(deliveries):
    return [delivery.ack_id for delivery in deliveries]


def expire(root, receipt):
    """Let a lease end."""
    key = key_of("task_leases" if receipt[0] == "t" else "leases")
    root.zadd(key, {receipt.removeprefix("t").partition(".")[0]: 1})


def state(root):
    """Give all that there is, but for what means nothing: numbers, and what never ends."""
    return {key: content(root, key) for key in map(key_of, KEYS)}


def content(root, key):
    """Read a key of any type."""
    match root.type(key):
        case b"list":
            return root.lrange(key, 0, -1)
        case b"hash":
            found = root.hgetall(key).items()
            return {name: value for name, value in found if name != PLACEHOLDER}
        case b"zset":
            found = root.zrange(key, 0, -1, withscores=True)
            return dict(pair for pair in found if pair[0] != PLACEHOLDER)
        case b"set":
            return root.smembers(key)
        case b"string":
            return None if key.endswith((":sequence", ":clock")) else root.get(key)
    return None if key.endswith((":sequence", ":clock")) else EMPTY[key.rpartition(":")[2]]


def outcome(root, server, conf):
    """Run all that is there, and count each payload that was delivered, and those that are dead."""
    conf(redis=server.url)
    broker, found = get_broker(), Counter()
    broker.prepare()
    while True:
        let_all_end(root)
        deliveries = broker.dequeue(99, wait=0)
        if not deliveries:
            break
        found += Counter(delivery.payload for delivery in deliveries)
        assert broker.acknowledge_many(receipts(deliveries)) == set()
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)
    for key in ("running", "tasks", "terms", "ready", "delayed", "held", "tries", "task_tries"):
        assert content(root, key_of(key)) == {}, key
    found += Counter(f"dead {payload}" for payload in root.lrange(key_of("dead"), 0, -1))
    broker.close()
    return found


def let_all_end(root):
    """Let all leases and delays end."""
    for key in map(key_of, ("leases", "task_leases", "delayed")):
        for member in root.zrange(key, 0, -1):
            if member.isdigit():
                root.zadd(key, {member: 1})
    root.zadd(key_of("task_leases"), {PLACEHOLDER: 0})
