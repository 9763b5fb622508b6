"""Queues are paused, resumed and limited by name, for all clusters or one."""

from __future__ import annotations

from uuid import UUID

import pytest

from django_q.brokers import get_broker
from django_q.brokers.contract.orders import QueueControl
from django_q.exceptions import PackageError, UnsupportedOrder
from django_q.humanhash import humanize
from django_q.tasks import queue as handle_of
from tests.heartbeats import CLUSTER_ID
from tests.integration.unfinished.queued import beat, put

pytestmark = pytest.mark.django_db(transaction=True)

NAME = humanize(CLUSTER_ID.hex)


def test_a_paused_queue_gives_nothing_until_it_is_resumed(queue):
    put(queue, "a" * 32)
    handle = handle_of()

    handle.pause()
    assert queue.dequeue(1, 0) == []
    assert handle.control() == QueueControl(is_paused=True)

    assert handle.resume()
    assert not handle.resume()
    assert len(queue.dequeue(1, 0)) == 1


@pytest.mark.parametrize(
    "cluster", [CLUSTER_ID, str(CLUSTER_ID), CLUSTER_ID.hex, NAME, NAME.upper()]
)
def test_a_cluster_is_named_by_its_id_or_its_four_words(queue, cluster):
    beat(queue)
    handle = handle_of()

    handle.pause(cluster=cluster)
    assert handle.control().paused_clusters == {str(CLUSTER_ID)}

    assert handle.resume(cluster=cluster)
    assert handle.control() == QueueControl()


def test_the_pause_of_a_cluster_that_has_gone_can_be_ended_by_either(queue):
    for cluster in (NAME, CLUSTER_ID):
        queue.pause(str(CLUSTER_ID))

        assert handle_of().resume(cluster=cluster)


def test_a_cluster_that_is_not_there_is_refused_and_those_that_are_are_named(queue):
    beat(queue)

    for wrong in ("one-two-three-four", UUID(int=7), "", object()):
        with pytest.raises(PackageError, match=f"{NAME} .{CLUSTER_ID}") as raised:
            handle_of().pause(cluster=wrong)
        assert "must be the id or the name of a cluster" in str(raised.value)
    assert handle_of().control() == QueueControl()


def test_a_cluster_of_another_queue_is_refused(queue):
    beat(queue, queue="mail")

    with pytest.raises(PackageError, match="none does"):
        handle_of().pause(cluster=NAME)
    handle_of("mail").pause(cluster=NAME)

    assert get_broker("mail").control().paused_clusters == {str(CLUSTER_ID)}


def test_a_limit_says_how_many_are_taken_at_a_time(queue):
    for task_id in "abc":
        put(queue, task_id * 32)
    handle = handle_of()

    handle.limit(2)
    assert len(queue.dequeue(5, 0)) == 2
    assert queue.dequeue(5, 0) == []

    handle.limit(None)
    assert len(queue.dequeue(5, 0)) == 1


@pytest.mark.parametrize("wrong", [-1, 1.5, "many", True])
def test_a_limit_that_is_no_number_is_refused(queue, wrong):
    with pytest.raises(PackageError, match="The limit of a queue must be a whole number from 0"):
        handle_of().limit(wrong)

    assert handle_of().control().limit is None


def test_a_queue_tells_how_much_waits_and_for_how_long(queue):
    handle = handle_of("mail")
    assert (handle.size(), handle.oldest()) == (0, None)
    put(get_broker("mail"), "a" * 32)
    put(get_broker("mail"), "b" * 32, delay=60)

    assert handle.size() == 1
    assert 0 <= handle.oldest() < 60
    assert repr(handle) == "queue('mail')"


@pytest.mark.parametrize("wrong", ["a\nb", "x" * 200, object()])
def test_a_name_that_no_queue_can_have_is_refused(queue, wrong):
    with pytest.raises(PackageError, match="'queue' must be the name of a queue"):
        handle_of(wrong)


def test_a_broker_that_takes_no_orders_refuses_them_and_tells_sizes(make_broker):
    make_broker("custom")
    handle = handle_of()

    for order in (handle.pause, handle.resume, lambda: handle.limit(1)):
        with pytest.raises(UnsupportedOrder, match="Use Redis or a database"):
            order()
    assert handle.size() == 0
    assert handle.control() == QueueControl()
