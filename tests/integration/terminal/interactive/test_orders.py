"""The orders of the interactive monitor: what they do, and what they say."""

from __future__ import annotations

import pytest

from django_q.dashboard.failures.kinds import find_kinds
from django_q.dashboard.task_search.unfinished import running_tasks
from django_q.foreign_code.secret_arguments import HIDDEN_VALUE
from django_q.tasks import queue
from django_q.terminal.interactive.details import kind_details, run_details
from django_q.terminal.interactive.orders import cancel_order, pause_order, resubmit_order
from django_q.unfinished.queues import queue_states
from tests.heartbeats import CLUSTER_ID
from tests.integration.admin.rows import NOW, make_failure
from tests.integration.orders.given import notices_of
from tests.integration.unfinished.queued import beat, put

pytestmark = pytest.mark.django_db
KIND = "d" * 32


@pytest.fixture(autouse=True)
def broker(make_broker):
    return make_broker("memory")


def test_a_task_that_runs_is_cancelled_in_the_name_of_a_person(broker):
    put(broker, "a" * 32)
    broker.dequeue()
    beat(broker, "a" * 32)
    (run,) = running_tasks(broker)

    order = cancel_order(run)

    assert order.question == "Cancel task four-words (shop.send)?"
    assert "told to cancel it" in order.give()
    assert f"task:{'a' * 32}" in notices_of(broker)


def test_a_queue_is_paused_and_resumed_for_single_clusters_too(broker):
    beat(broker)

    def state():
        return queue_states(broker, [])[0]

    assert "is paused" in pause_order(state()).give()
    assert queue().control().is_paused
    queue().pause(str(CLUSTER_ID))

    again = pause_order(state())

    assert again.question == "Resume queue test?"
    assert again.give() == "Queue test is resumed."
    assert again.give() == "Queue test was not paused."
    assert not queue().control().paused_clusters


def test_failures_of_a_kind_are_resubmitted(broker):
    make_failure(fingerprint=KIND, func="math.copysign", args=(1, 2))
    make_failure(fingerprint=KIND, func="nowhere.at_all")
    (kind,) = find_kinds(NOW).kinds

    text = resubmit_order(kind).give()

    assert text.startswith("1 task was resubmitted. 1 task was not resubmitted: ")
    assert broker.count_tasks().waiting == 1


def test_failures_without_a_fingerprint_can_not_be_resubmitted_together():
    make_failure(fingerprint=None)
    (kind,) = find_kinds(NOW).kinds

    assert resubmit_order(kind) is None


def test_details_have_arguments_with_secrets_as_dots_and_the_traceback():
    make_failure(
        fingerprint=KIND,
        kwargs={"password": "hush", "size": 3},
        result="Declined: no\nTraceback (most recent call last)\n  File x",
    )
    (kind,) = find_kinds(NOW).kinds

    text = "\n".join(kind_details(kind))

    assert f"password={HIDDEN_VALUE}, size=3" in text
    assert "hush" not in text
    assert "Traceback (most recent call last)\n  File x" in text


def test_details_of_a_task_that_no_queue_has_any_more_are_those_of_the_heartbeat(broker):
    beat(broker, "a" * 32)
    (run,) = running_tasks(broker)

    assert any(line.endswith("shop.send") for line in run_details(run))
