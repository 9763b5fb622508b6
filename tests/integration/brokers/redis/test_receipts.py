"""Receipts of deliveries on Redis, and a server that has forgotten some."""

from __future__ import annotations


def test_a_receipt_that_the_server_has_forgotten_is_no_other_tasks(broker):
    """A server that restarts without its last second, or the replica of one that has died."""
    broker.enqueue("before")
    broker.dequeue(wait=0)
    known = broker.connection.get(f"{broker.list_key}:sequence")
    broker.enqueue("forgotten")
    (old,) = broker.dequeue(wait=0)
    delayed = broker.enqueue("forgotten", delay=60).decode()
    for key in (":running", ":leases", ":tries"):
        broker.connection.delete(broker.list_key + key)
    broker.connection.set(f"{broker.list_key}:sequence", known)

    broker.enqueue_many(["new"] * 3)
    new = broker.dequeue(9, wait=0)

    assert {old.ack_id, delayed}.isdisjoint(delivery.ack_id for delivery in new)
    assert broker.acknowledge_many([old.ack_id, delayed]) == {old.ack_id, delayed}
    assert broker.acknowledge_many(delivery.ack_id for delivery in new) == set()
