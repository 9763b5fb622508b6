"""Deliveries of workers that have died: how their tasks end, and when they are run again."""

from __future__ import annotations

from typing import Any

import pytest

from django_q.brokers.contract.kept_state import KeptState
from django_q.completion.completion import complete
from django_q.completion.orphans import MAX_CRASHES, OrphanedDeliveries, recover
from django_q.execution.execution import UndecodablePayload
from django_q.models import Task
from django_q.signals import attempt_ended
from django_q.task_state.attempts import Attempts, read_attempts, sign_attempts, with_end
from django_q.task_state.position import read_position
from django_q.tasks import async_task, fetch
from tests.integration.brokers.contract.passing_time import let_pass

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("broker", ["memory", "redis", "orm"], indirect=True),
]

DEATH = "django_q.exceptions.WorkerDied"
TIME_LIMIT = "django_q.exceptions.TimeoutException"


def take(broker: Any) -> Any:
    (delivery,) = broker.dequeue(1, 1)
    return delivery


def die(broker: Any, delivery: Any = None, **values: Any) -> Any:
    """Let the worker die that has taken what waits, and complete that. Returns its package."""
    delivery = delivery or take(broker)
    running = (delivery.ack_id, delivery.attempt)
    orphaned = OrphanedDeliveries("its death", running=running, worker="host:7", **values)
    found = recover(orphaned, broker)
    if isinstance(found, dict):
        complete([found], broker, print)
    return found


def test_a_task_whose_worker_dies_is_run_again_at_once_and_ends_with_the_third(broker):
    task_id = async_task("tests.tasks.nothing")

    for _ in range(MAX_CRASHES - 1):
        die(broker)
        assert fetch(task_id) is None
    die(broker)

    task = fetch(task_id)
    assert (task.success, task.exception, task.attempt_count) == (False, DEATH, 3)
    assert [end["exception"] for end in task.attempts] == [DEATH] * 3
    assert [end["worker"] for end in task.attempts] == ["host:7"] * 3
    assert broker.queue_size() == broker.lock_size() == 0


def test_deliveries_that_were_lost_with_their_cluster_are_no_deaths(broker):
    task_id = async_task("tests.tasks.nothing")
    for _ in range(5):
        broker.release([take(broker).ack_id])

    die(broker)

    assert fetch(task_id) is None
    assert take(broker).attempt == 7


def test_max_attempts_limits_deliveries_as_before(broker):
    task_id = async_task("tests.tasks.nothing", q_options={"max_attempts": 2})

    die(broker)
    die(broker)

    assert (fetch(task_id).exception, fetch(task_id).attempt_count) == (DEATH, 2)


def test_a_death_is_an_attempt_under_the_same_delay(broker):
    options = {"retries": 2, "retry_delay": 30, "retry_jitter": 0}
    task_id = async_task("tests.tasks.nothing", q_options=options)

    for seconds in (30, 60):
        die(broker)
        assert broker.dequeue(1, 0) == []
        let_pass(broker, seconds - 3)
        assert broker.dequeue(1, 0) == []
        let_pass(broker, 4)
    die(broker)

    assert [end["attempt"] for end in fetch(task_id).attempts] == [1, 2, 3]


def test_a_task_with_many_retries_may_die_as_often(broker):
    task_id = async_task("tests.tasks.nothing", q_options={"retries": 6, "retry_delay": 0})

    for _ in range(6):
        die(broker)
        assert fetch(task_id) is None
    die(broker)

    assert fetch(task_id).attempt_count == 7


def test_a_death_may_be_final(broker):
    options = {"retries": 6, "retry_delay": 0, "no_retry_on": DEATH}
    task_id = async_task("tests.tasks.nothing", q_options=options)

    die(broker)

    assert (fetch(task_id).exception, fetch(task_id).attempt_count) == (DEATH, 1)


def test_a_task_that_is_killed_for_its_time_limit_is_retried_where_asked(broker):
    options = {"retries": 1, "retry_delay": 0}
    ids = [async_task("tests.tasks.nothing"), async_task("tests.tasks.nothing", q_options=options)]

    for delivery in [take(broker), take(broker)]:
        die(broker, delivery, timed_out=True)
    assert [fetch(task_id) is None for task_id in ids] == [False, True]
    die(broker, timed_out=True)

    assert [fetch(task_id).attempt_count for task_id in ids] == [1, 2]
    assert [fetch(task_id).exception for task_id in ids] == [TIME_LIMIT] * 2


def test_what_was_kept_of_earlier_ends_stays(broker):
    task_id = async_task("tests.tasks.nothing", q_options={"retries": 5, "retry_delay": 0})
    delivery = take(broker)
    earlier = with_end(Attempts(), {"attempt": 1, "exception": "ValueError"})
    state = KeptState(attempts=sign_attempts(task_id, earlier))
    broker.release([delivery.ack_id], states={delivery.ack_id: state})

    die(broker)

    attempts = read_attempts(task_id, take(broker).state.attempts)
    assert (attempts.count, attempts.deaths) == (2, 1)
    assert [end["exception"] for end in attempts.ends] == ["ValueError", DEATH]


def test_what_nobody_has_signed_is_left_out(broker, caplog):
    task_id = async_task("tests.tasks.nothing", q_options={"retries": 5, "retry_delay": 0})
    delivery = take(broker)
    state = KeptState(attempts=sign_attempts("another", with_end(Attempts(), {})))
    broker.release([delivery.ack_id], states={delivery.ack_id: state})

    die(broker)

    assert read_attempts(task_id, take(broker).state.attempts).count == 1
    assert "is left out" in caplog.text


@pytest.mark.parametrize("options", [{}, {"retries": 3, "retry_delay": 0}])
def test_the_last_position_of_a_dead_worker_is_kept(broker, options):
    task_id = async_task("tests.tasks.nothing", q_options=options)

    die(broker, position={"0": [12]})

    assert read_position(task_id, take(broker).state.position) == {"0": [12]}


def test_a_worker_that_a_stop_has_killed_leaves_its_position_and_no_end(broker):
    told: list[Any] = []
    attempt_ended.connect(lambda **about: told.append(about), weak=False, dispatch_uid="told")
    task_id = async_task("tests.tasks.nothing")

    die(broker, stopped=True, position={"0": [12]})

    attempt_ended.disconnect(dispatch_uid="told")
    again = take(broker)
    assert (again.attempt, again.state.attempts) == (1, "")
    assert read_position(task_id, again.state.position) == {"0": [12]}
    assert (Task.objects.count(), told) == (0, [])


def test_a_worker_that_a_stop_has_killed_without_a_position_leaves_nothing(broker):
    async_task("tests.tasks.nothing")

    assert die(broker, stopped=True) is None

    again = take(broker)
    assert (again.attempt, again.state) == (1, None)


def test_a_success_whose_result_was_seen_to_is_lost_and_run_again_where_asked(broker):
    ids = [
        async_task("tests.tasks.nothing", q_options=options)
        for options in ({"retries": 1, "retry_delay": 0}, {"max_attempts": 1})
    ]

    for delivery in [take(broker), take(broker)]:
        die(broker, delivery, had_succeeded=True)

    assert fetch(ids[0]) is None
    task = fetch(ids[1])
    assert (task.success, task.exception) == (True, None)
    assert task.result.startswith("It succeeded, and its result is lost: its death")


def test_one_whose_receiver_has_ended_the_process_is_not_run_again(broker):
    options = {"retries": 5, "retry_delay": 0}
    task_id = async_task("tests.tasks.nothing", q_options=options)

    die(broker, had_succeeded=True, foreign_code="a receiver")

    assert fetch(task_id).success is True


def test_a_payload_that_kills_who_reads_it_is_dead_at_the_third_time(broker):
    async_task("tests.tasks.nothing")

    assert [die(broker, was_decoding=True) for _ in range(MAX_CRASHES - 1)] == [None, None]
    assert isinstance(die(broker, was_decoding=True), UndecodablePayload)


def test_one_that_was_read_before_is_not_dead_for_the_number_of_its_attempts(broker):
    async_task("tests.tasks.nothing", q_options={"retries": 9, "retry_delay": 0})
    for _ in range(5):
        die(broker)

    assert die(broker, was_decoding=True) is None
    assert die(broker, was_decoding=True) is None
    assert isinstance(die(broker, was_decoding=True), UndecodablePayload)
