"""Tasks in transactions with an outbox: rows until they are in the queue, whoever is away."""

from __future__ import annotations

import logging

import pytest
import redis
from django.db import transaction

from django_q.brokers import get_broker
from django_q.brokers.memory import Memory
from django_q.exceptions import DjangoQError
from django_q.models import Failure
from django_q.outbox.rows import outbox_rows
from django_q.task_state.cancellation import task_key
from django_q.tasks import (
    async_batch,
    async_chain,
    async_iter,
    async_task,
    cancel,
    count_unfinished,
    fetch_unfinished,
    list_unfinished,
    queue_names,
    result,
    result_group,
)
from tests import framework_tasks, servers
from tests.faults.proxy import Mode
from tests.integration.orders.given import notices_of
from tests.outboxes import kept_ids, marks, on_both_databases, queued, queued_ids, relay_all
from tests.tasks import echo, multiply

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("outbox")]


@on_both_databases
def test_a_task_is_a_row_of_the_transaction_and_pushed_when_that_commits(broker, outbox):
    with transaction.atomic(using=outbox):
        task_id = async_task(echo, 1)
        assert kept_ids() == [task_id]
        assert queued_ids(broker) == []
        with pytest.raises(DjangoQError, match="pushed when the transaction commits"):
            result(task_id, wait=10)

    assert queued_ids(broker) == [task_id]
    assert kept_ids() == []
    assert marks(broker) == 0


@on_both_databases
def test_what_is_rolled_back_is_neither_kept_nor_pushed(broker, outbox):
    with transaction.atomic(using=outbox):
        kept = async_task(echo, 1)
        with transaction.atomic(using=outbox):
            async_task(echo, 2)
            transaction.set_rollback(True, using=outbox)

    assert queued_ids(broker) == [kept]
    assert kept_ids() == []


def test_outside_of_a_transaction_no_row_is_written(broker, django_assert_num_queries, outbox):
    with django_assert_num_queries(0):
        task_id = async_task(echo, 1)

    assert queued_ids(broker) == [task_id]
    assert marks(broker) == 0


@pytest.mark.parametrize("mode", [Mode.REFUSE, Mode.DEAF])
@pytest.mark.parametrize("options", [{}, {"priority": 5}, {"unique": "key"}])
def test_a_call_succeeds_while_redis_is_away_and_its_task_is_enqueued_once(
    broker, network, outbox, mode, options
):
    with network.failing(mode):
        with transaction.atomic(using=outbox):
            first = async_task(echo, 1, q_options=options)
        assert kept_ids() == [first]
        other = async_task(echo, 2)
        assert set(kept_ids()) == {first, other}

    relay_all()

    assert sorted(queued_ids(broker)) == sorted([first, other])
    assert kept_ids() == []
    assert Failure.objects.count() == 0


@pytest.mark.parametrize("options", [{}, {"priority": 5}, {"unique": "key"}])
def test_a_call_outside_of_a_transaction_whose_reply_is_lost_enqueues_one_task(
    broker, network, options
):
    with network.failing(Mode.DEAF):
        task_id = async_task(echo, 1, q_options=options)
    assert queued_ids(broker) == [task_id]
    assert kept_ids() == [task_id]

    relay_all()

    assert queued_ids(broker) == [task_id]
    assert kept_ids() == []


def test_an_outage_is_logged_once_and_redis_is_not_asked_each_time(network, outbox, caplog):
    with network.failing(Mode.REFUSE):
        for _ in range(3):
            async_task(echo, 1)
            with transaction.atomic(using=outbox):
                async_task(echo, 2)

    lines = [each.getMessage() for each in caplog.records if "outbox" in each.getMessage()]
    assert len(lines) == 1
    assert "tasks wait in the outbox, as the queue django_q:test:q takes none" in lines[0]
    assert len(kept_ids()) == 6


def test_batches_and_iterables_are_kept_whole(broker, network, outbox, run_all):
    with network.failing(Mode.REFUSE), transaction.atomic(using=outbox):
        ids = async_batch([(echo, (n,)) for n in range(3)])
        whole = async_iter(multiply, [(2, 3), (4, 5)])

    relay_all()
    assert queued_ids(broker)[:3] == ids
    run_all(broker)

    assert result(whole) == [6, 20]


def test_a_batch_of_both_kinds_is_pushed_in_the_order_of_its_calls(broker, outbox):
    plain, high = (echo, (1,)), (echo, (2,), {"q_options": {"priority": 5}})
    with transaction.atomic(using=outbox):
        ids = async_batch([plain, high, plain])

    assert sorted(queued_ids(broker)) == sorted(ids)
    assert kept_ids() == []


def test_a_chain_goes_on_from_the_outbox(broker, network, run_all):
    with network.failing(Mode.REFUSE):
        group = async_chain([(multiply, (2, 3)), (multiply, (4, 5))])

    relay_all()
    run_all(broker)

    assert sorted(result_group(group)) == [6, 20]


def test_a_duplicate_that_is_found_at_the_commit_is_recorded(broker, outbox):
    options = {"unique": "key"}
    with transaction.atomic(using=outbox):
        late = async_task(echo, 2, q_options=options)
        first = async_task(echo, 1, q_options=options, on_commit=False)

    assert queued_ids(broker) == [first]
    assert f"duplicate of task {first}" in Failure.objects.get(id=late).result
    assert kept_ids() == []


def test_a_duplicate_that_is_found_by_a_relay_is_recorded(broker, network, outbox):
    options = {"unique": "key"}
    with network.failing(Mode.REFUSE):
        late = async_task(echo, 2, q_options=options)
    first = async_task(echo, 1, q_options=options, broker=broker_of_its_own())

    relay_all()

    assert queued_ids(broker) == [first]
    assert f"duplicate of task {first}" in Failure.objects.get(id=late).result


def test_a_task_of_the_outbox_replaces_one_that_waits(broker, outbox):
    first = async_task(echo, 1, q_options={"unique": "key"})
    with transaction.atomic(using=outbox):
        options = {"unique": "key", "on_duplicate": "replace"}
        assert async_task(echo, 2, q_options=options) == first

    assert [package["args"] for package in queued(broker)] == [(2,)]
    assert queued_ids(broker) == [first]
    assert Failure.objects.count() == 0


@on_both_databases
def test_in_a_transaction_that_the_caller_commits_a_row_is_all(broker, outbox):
    transaction.set_autocommit(False, using=outbox)
    try:
        task_id = async_task(echo, 1)
        assert queued_ids(broker) == []
        transaction.commit(using=outbox)
        async_task(echo, 2)
        transaction.rollback(using=outbox)
    finally:
        transaction.set_autocommit(True, using=outbox)

    assert kept_ids() == [task_id]


def test_on_commit_false_does_without_the_outbox_in_a_transaction(broker, outbox):
    with transaction.atomic(using=outbox):
        task_id = async_task(echo, 1, on_commit=False)
        assert queued_ids(broker) == [task_id]
        assert kept_ids() == []
        transaction.set_rollback(True, using=outbox)


def test_a_task_that_runs_at_once_is_not_kept(outbox):
    with transaction.atomic(using=outbox):
        task_id = async_task(multiply, 2, 3, sync=True)
        assert kept_ids() == []

    assert result(task_id) == 6


def test_the_broker_that_get_broker_gives_goes_through_the_outbox(broker, outbox):
    with transaction.atomic(using=outbox):
        task_id = async_task(echo, 1, broker=get_broker("test2"))
        assert kept_ids() == [task_id]

    assert queued_ids(get_broker("test2")) == [task_id]


def test_a_task_of_djangos_framework_goes_through_the_outbox(broker, outbox):
    with transaction.atomic(using=outbox):
        enqueued = framework_tasks.add.enqueue(1, 2)
        assert kept_ids() == [enqueued.id]

    assert queued_ids(broker) == [enqueued.id]
    assert kept_ids() == []


def test_a_client_or_broker_of_the_call_does_without_and_that_is_logged_once(outbox, caplog):
    client = redis.Redis.from_url(servers.redis_url())
    with caplog.at_level(logging.WARNING), transaction.atomic(using=outbox):
        async_task(echo, 1, redis=client)
        async_task(echo, 1, broker=Memory("other"))
        assert kept_ids() == []

    assert caplog.text.count("does without the outbox") == 1


@on_both_databases
def test_a_transaction_on_another_database_pushes_when_it_commits(broker, outbox, caplog):
    other = "postgres" if outbox == "default" else "default"
    with transaction.atomic(using=other):
        ids = [async_task(echo, 1), async_task(echo, 2)]
        assert kept_ids() == []
        assert queued_ids(broker) == []

    assert queued_ids(broker) == ids
    assert caplog.text.count(f"tasks of transactions on '{other}' do without the outbox") == 1


def test_a_task_of_the_outbox_is_told_as_waiting(broker, network, outbox):
    with network.failing(Mode.REFUSE):
        task_id = async_task(echo, 1)

    task = fetch_unfinished(task_id)

    assert (task.state, task.queue, task.func) == ("waiting", "test", "tests.tasks.echo")
    assert count_unfinished().waiting == 1
    assert list_unfinished() == list_unfinished(state="waiting") == [task]
    assert list_unfinished(state="running") == []
    assert queue_names() == ["test"]


def test_a_task_of_the_framework_is_ready_while_it_is_in_the_outbox(broker, network, outbox):
    with network.failing(Mode.REFUSE):
        result = framework_tasks.echo.enqueue(1, two=[2])

    found = framework_tasks.echo.get_result(result.id)

    assert (found, found.status) == (result, "READY")
    assert found.task == framework_tasks.echo


def test_tasks_of_the_outbox_are_listed_before_those_of_the_queue_each_once(
    broker, network, outbox
):
    queued = [async_task(echo, number, q_options={"priority": 1}) for number in range(2)]
    with network.failing(Mode.REFUSE):
        kept = [async_task(echo, number) for number in range(3)]
    # Whoever has pushed it has died before the row was deleted.
    broker.enqueue(outbox_rows().order_by("key")[0].payload)

    first = list_unfinished(limit=2)
    rest = list_unfinished(after=first.next)

    assert {task.id for task in [*first, rest[0]]} == set(kept)
    assert sorted(task.id for task in list_unfinished()) == sorted([*kept, *queued])


def test_a_cancel_of_a_task_of_the_outbox_waits_where_the_task_is_pushed(broker, network, outbox):
    with network.failing(Mode.REFUSE):
        task_id = async_task(echo, 1)
        elsewhere = async_task(echo, 1, q_options={"cluster": "other"})

    assert cancel(task_id, by="ada") == cancel(elsewhere) == "requested"
    assert cancel(task_id, queue="other") == "unknown"
    (told,) = notices_of(broker).items()
    assert told[0] == task_key(task_id)
    assert told[1].startswith("cancelled by ada")
    assert task_key(elsewhere) in notices_of(get_broker("other"))


def broker_of_its_own():
    """Make a broker with a client of its own, past the network that fails."""
    broker = get_broker()
    broker.connection, broker.has_foreign_client = redis.Redis.from_url(servers.redis_url()), True
    return broker


@pytest.mark.parametrize("broker", ["orm"], indirect=True)
def test_a_queue_in_the_same_database_has_no_rows_in_the_outbox(broker, conf):
    conf(outbox="default")
    with transaction.atomic():
        task_id = async_task(echo, 1)
        assert kept_ids() == []

    assert queued_ids(broker) == [task_id]


@on_both_databases
@pytest.mark.parametrize("broker", ["postgres"], indirect=True)
def test_a_queue_in_another_database_gets_tasks_of_the_outbox_once(broker, conf):
    conf(outbox="default")
    with transaction.atomic():
        task_id = async_task(echo, 1)
        assert kept_ids() == [task_id]

    assert queued_ids(broker) == [task_id]
    assert kept_ids() == []


def test_without_the_setting_nothing_is_kept(broker, conf, outbox):
    conf(outbox=None)
    with transaction.atomic():
        task_id = async_task(echo, 1)
    conf(outbox=outbox)

    assert kept_ids() == []
    assert queued_ids(broker) == [task_id]
