"""Chains: calls that follow one another."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis

from django_q.brokers import get_broker
from django_q.brokers.base import ONCE_KEY_GRACE_SECONDS
from django_q.exceptions import PackageError
from django_q.models import Task
from django_q.signals import pre_enqueue
from django_q.signing import SignedPackage
from django_q.tasks import (
    Chain,
    async_chain,
    async_task,
    count_group,
    delete_group_cached,
    fetch,
    fetch_group,
    result_group,
)
from django_q.wire.package import derived_id
from tests.tasks import Calculator, echo, hook, hooked, multiply, raise_error

pytestmark = pytest.mark.django_db(transaction=True)

on_both = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


@on_both
def test_a_chain_continues_with_the_next_link(broker, run_once):
    async_chain([(multiply, (2, 3)), (multiply, (4, 5))], group="products", broker=broker)

    run_once(broker)
    assert result_group("products") == [6]
    run_once(broker)

    assert sorted(result_group("products")) == [6, 20]
    assert broker.queue_size() == broker.lock_size() == 0


@on_both
def test_a_link_is_a_function_with_or_without_arguments(broker, run_all):
    links = [
        "tests.tasks.nothing",
        (multiply, (2, 3)),
        (multiply, (2,), {"y": 5}),
        (echo, {"a": 1}),
        [Calculator().add, [1, 2]],
        (echo,),
        ("math.floor", 1.5),
    ]

    chain = Chain(links)
    chain.run()
    run_all(broker)

    assert chain.result() == [None, 6, 10, ((), {"a": 1}), 3, ((), {}), 1]


def test_the_callers_list_is_not_changed(broker, run_all):
    links = [(multiply, (2, 3)), (multiply, (4, 5))]

    async_chain(links)
    Chain(links).append(echo)
    run_all(broker)

    assert links == [(multiply, (2, 3)), (multiply, (4, 5))]


@on_both
def test_a_failed_link_ends_the_chain(broker, run_all):
    group = async_chain([(multiply, (2, 3)), raise_error, (multiply, (4, 5))])

    run_all(broker)

    assert result_group(group) == [6]
    assert count_group(group) == 2
    assert count_group(group, failures=True) == 1


def test_a_chain_goes_on_after_a_failure_where_asked(broker, run_all):
    group = async_chain([raise_error, raise_error, (multiply, (4, 5))], continue_on_failure=True)

    run_all(broker)

    assert result_group(group) == [20]
    assert count_group(group, failures=True) == 2


def test_each_link_receives_the_result_of_the_one_before_where_asked(broker, run_all):
    chain = Chain([(multiply, (2, 3)), (multiply, (10,)), "math.sqrt"], pass_result=True)

    chain.run()
    run_all(broker)

    assert chain.result() == [6, 60, 60**0.5]


def test_a_link_that_can_not_be_sent_has_failed(broker, run_all, conf):
    conf(max_package_size=2000)
    hooked.clear()
    links = [("builtins.bytes", (3000,)), ("builtins.len", (), {"hook": hook}), multiply]
    group = async_chain(links, pass_result=True)

    run_all(broker)

    assert broker.lock_size() == 0  # or the first would run again and again
    failed, first = fetch_group(group)  # the latest first
    assert (first.result, first.success) == (bytes(3000), True)
    assert (failed.func, failed.success) == ("builtins.len", False)
    assert "Pass a reference" in failed.result
    assert [task.id for task in hooked] == [failed.id]


@on_both
def test_a_link_that_a_receiver_of_pre_enqueue_refuses_has_failed(broker, run_all):
    group = async_chain([(multiply, (2, 3)), (multiply, (4, 5)), multiply])

    def refuse(task: dict, **kwargs: Any) -> None:
        if task["args"] == (4, 5):
            raise OSError("no licence")

    pre_enqueue.connect(refuse)
    try:
        run_all(broker)
    finally:
        pre_enqueue.disconnect(refuse)

    assert broker.lock_size() == 0  # or the first would run again and again
    failed, first = fetch_group(group)
    assert (first.result, first.success) == (6, True)
    assert (failed.args, failed.success) == ((4, 5), False)
    assert "no licence" in failed.result


@pytest.mark.parametrize("limit", [-1, 0])
def test_a_chain_goes_on_where_results_are_not_saved(broker, run_all, conf, tmp_path, limit):
    conf(save_limit=limit)
    trace = tmp_path / "trace"
    async_chain([("tests.tasks.touch", (str(trace),))] * 3, save=False)

    run_all(broker)

    assert len(trace.read_text().splitlines()) == 3
    assert Task.objects.count() == 0


def test_a_chain_follows_a_single_task(broker, run_all):
    task_id = async_task(multiply, 2, 3, chain=[(multiply, (4, 5))], group="g")

    run_all(broker)

    assert sorted(result_group("g")) == [6, 20]
    assert fetch(task_id).result == 6


def test_the_options_of_a_link_are_its_own(broker, run_all):
    hooked.clear()
    links = [(multiply, (2, 3), {"task_name": "first", "hook": hook}), (multiply, (4, 5))]

    group = async_chain(links, cluster="test")
    run_all(broker)

    assert [task.name for task in hooked] == ["first"]
    assert fetch("first").group == group
    assert {task.cluster for task in fetch_group(group)} == {"test"}


def test_the_next_link_is_the_same_task_when_the_step_is_repeated(broker, run_once, wait_until):
    """A monitor that is killed behind the next link and before the receipt repeats the step."""
    group = async_chain([(multiply, (2, 3)), (multiply, (4, 5))])
    (delivery,) = broker.dequeue(wait=0)
    broker.enqueue(delivery.payload)  # as if it came again

    broker.release([delivery.ack_id])
    while broker.queue_size():
        run_once(broker)

    assert sorted(result_group(group)) == [6, 20]
    assert count_group(group) == 2


@on_both
@pytest.mark.parametrize("cluster", [None, "test"])
def test_the_next_link_is_enqueued_once_when_the_step_is_repeated(
    broker, run_all, tmp_path, cluster
):
    trace = tmp_path / "trace"
    async_chain([echo, echo, ("tests.tasks.touch", (str(trace),))], cluster=cluster)
    for _ in range(2):
        (delivery,) = broker.dequeue(wait=0)
        broker.enqueue(delivery.payload)  # as if it came again after a crash
        broker.release([delivery.ack_id])

    run_all(broker)

    assert len(trace.read_text().splitlines()) == 1


@on_both
def test_the_next_link_is_enqueued_once_when_the_answer_is_lost(
    broker, run_all, monkeypatch, tmp_path
):
    trace = tmp_path / "trace"
    async_task(echo, chain=[("tests.tasks.touch", (str(trace),))])
    answers = iter([redis.ConnectionError("cut")])

    def cut(method):
        def call(self, *args, **kwargs):
            answer = method(self, *args, **kwargs)
            if error := next(answers, None):
                raise error
            return answer

        return call

    for name in ("enqueue", "enqueue_once"):
        monkeypatch.setattr(type(broker), name, cut(getattr(type(broker), name)))
    run_all(broker)

    assert len(trace.read_text().splitlines()) == 1


def test_a_link_is_not_remembered_for_long_once_the_one_before_is_acknowledged(broker, run_all):
    task_id = async_task(echo, chain=[echo])

    run_all(broker)

    assert (
        0
        < broker.connection.ttl(broker.mark(derived_id(task_id, "next")))
        <= ONCE_KEY_GRACE_SECONDS
    )


def test_a_chain_runs_at_once_in_sync_mode():
    group = async_chain([(multiply, (2, 3)), raise_error, echo], sync=True)

    assert (count_group(group), result_group(group)) == (2, [6])


def test_a_chain_is_cached():
    chain = Chain([(multiply, (2, 3)), (multiply, (4, 5))], cached=True, sync=True, group="c")
    chain.run()

    assert chain.result() == [6, 20]
    assert [task.result for task in chain.fetch()] == [6, 20]
    assert chain.current() == 2
    assert Task.objects.count() == 0
    delete_group_cached("c")


def test_the_results_of_a_chain_are_in_the_order_of_its_links(broker, run_all):
    chain = Chain([(multiply, (n, 1)) for n in range(6)])
    chain.run()
    run_all(broker)

    assert chain.result() == [0, 1, 2, 3, 4, 5]
    assert [task.result for task in chain.fetch()] == [0, 1, 2, 3, 4, 5]


def test_how_far_a_chain_is(broker, run_once):
    chain = Chain()
    assert chain.append(multiply, 2, 3) == 1
    assert chain.append(multiply, 4, y=5) == 2
    assert (chain.length(), chain.current(), chain.result(), chain.fetch()) == (2, None, None, None)

    chain.run()
    assert chain.current() == 0
    run_once(broker)

    assert chain.current() == 1
    assert chain.result(wait=50) == [6]


def test_waiting_for_a_chain_ends_when_a_link_has_failed():
    chain = Chain([raise_error, echo], sync=True)
    chain.run()
    before = time.monotonic()

    assert chain.result() == []
    assert [task.success for task in chain.fetch()] == [False]
    assert time.monotonic() - before < 30


def test_a_chain_that_is_changed_starts_anew():
    chain = Chain([(multiply, (2, 3))], sync=True)
    group = chain.run()

    chain.append(multiply, 4, 5)
    assert chain.result() is None
    assert chain.run() == group

    assert chain.result() == [6, 20]


def test_a_chain_is_one_package_with_the_links_behind_in_tow(broker):
    group = async_chain([echo, (multiply, (2, 3))], pass_result=True)

    (delivery,) = broker.dequeue(limit=5, wait=0)
    package: dict[str, Any] = SignedPackage.loads(delivery.payload)

    assert package["chain"] == [(multiply, (2, 3))]
    assert package["chain_options"] == {"pass_result": True}
    assert package["group"] == group


def test_the_links_of_a_chain_go_to_the_cluster_that_it_names(broker):
    async_chain([echo, echo], cluster="other")

    other = get_broker("other")
    assert other.queue_size() == 1
    other.delete_queue()


def test_a_chain_without_a_link_is_refused():
    with pytest.raises(PackageError, match="must have a link"):
        async_chain([])


def test_an_option_that_there_is_not_is_refused():
    with pytest.raises(PackageError, match="pass_results"):
        async_chain([echo], pass_results=True)
