"""The ways in which a task ends, or goes away, that frees its unique key."""

from __future__ import annotations

from tests.integration.brokers.contract.kinds import take_one


def end_by_acknowledging(broker):
    assert broker.acknowledge(take_one(broker).ack_id) is True


def end_as_dead_letter(broker):
    delivery = take_one(broker)
    broker.move_to_dead_letters(delivery.ack_id, delivery.payload)


def end_by_failing(broker):
    broker.fail(take_one(broker).ack_id)


def end_by_deletion(broker):
    assert broker.delete(take_one(broker).ack_id)


def end_by_purge(broker):
    broker.purge_queue()


def end_by_deleting_the_queue(broker):
    broker.delete_queue()


def end_by_deleting_the_queue_while_leased(broker):
    take_one(broker)
    broker.delete_queue()


ENDS = [
    end_by_acknowledging,
    end_as_dead_letter,
    end_by_failing,
    end_by_deletion,
    end_by_purge,
    end_by_deleting_the_queue,
    end_by_deleting_the_queue_while_leased,
]
