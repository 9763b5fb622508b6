"""Orders to cancel a task, a group, or a queue: what they say, and where they go."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from django_q.brokers import get_broker
from django_q.exceptions import PackageError, UnsupportedOrder
from django_q.models import Task
from django_q.orders import cancelling
from django_q.results.cache import save
from django_q.signing import SignedPackage
from django_q.tasks import ENDED, REMOVED, REQUESTED, UNKNOWN, cancel
from django_q.wire.package import new_package
from tests.integration.orders.given import TASK_ID, mark_of, notices_of
from tests.integration.unfinished.queued import beat, payload_of, put

pytestmark = pytest.mark.django_db(transaction=True)

BY = r"cancelled by anna at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"


def end(task_id: str = TASK_ID, **values: Any) -> None:
    """Save the end of a task."""
    now = timezone.now()
    defaults = {"name": "n", "func": "f", "started": now - timedelta(1), "stopped": now}
    Task.objects.create(id=task_id, **{**defaults, "success": True, **values})


def test_a_task_that_waits_never_begins_and_its_mark_says_who_and_why(queue):
    put(queue, TASK_ID)

    assert cancel(TASK_ID, by="anna", reason="too late") == REMOVED

    assert re.fullmatch(f"{BY}: too late", mark_of(queue, TASK_ID))
    assert notices_of(queue) == {}


def test_a_task_that_a_cluster_holds_is_told_to_all_of_them(queue):
    put(queue, TASK_ID)
    queue.dequeue(1, 0)

    assert cancel(TASK_ID, by="anna") == REQUESTED

    assert re.fullmatch(BY, notices_of(queue)[f"task:{TASK_ID}"])


def test_it_is_cancelled_for_good_when_its_cluster_releases_it(queue):
    put(queue, TASK_ID)
    (delivery,) = queue.dequeue(1, 0)
    cancel(TASK_ID, by="anna")

    queue.release([delivery.ack_id], delay=60)

    assert re.fullmatch(BY, mark_of(queue, TASK_ID))


def test_a_plain_task_that_runs_is_found_in_the_heartbeats(queue):
    queue.enqueue(payload_of(TASK_ID))
    queue.dequeue(1, 0)
    beat(queue, TASK_ID)

    assert cancel(TASK_ID) == REQUESTED
    assert list(notices_of(queue)) == [f"task:{TASK_ID}"]


def test_a_task_that_is_not_found_is_told_to_the_clusters_all_the_same(queue):
    assert cancel(TASK_ID) == UNKNOWN

    assert list(notices_of(queue)) == [f"task:{TASK_ID}"]


def test_a_task_that_has_ended_leaves_no_notice(queue):
    end()

    assert cancel(TASK_ID) == ENDED
    assert notices_of(queue) == {}


def test_a_task_that_is_run_again_has_not_ended(queue):
    now = timezone.now()
    end(success=False, stopped=now, rerun_at=now)
    put(queue, TASK_ID)

    assert cancel(TASK_ID) == REMOVED


def test_a_task_whose_result_is_in_the_cache_has_ended(queue):
    package = new_package("f", (), {}, {"cached": 60}, TASK_ID)
    save({**package, "success": True, "result": 1, "stopped": timezone.now()}, queue)

    assert cancel(TASK_ID) == ENDED


@pytest.mark.parametrize("where", ["running", "unknown"])
def test_a_task_that_ends_while_it_is_being_cancelled_has_ended(queue, monkeypatch, where):
    def late(broker: Any) -> dict:
        """End the task after the results were looked at, and before the notice is posted."""
        end()
        return running(broker)

    running = cancelling.running_tasks
    monkeypatch.setattr(cancelling, "running_tasks", late)
    if where == "running":
        beat(queue, TASK_ID)

    assert cancel(TASK_ID) == ENDED
    assert notices_of(queue) == {}


@pytest.mark.parametrize("task_id", [UUID(TASK_ID), str(UUID(TASK_ID)), str(UUID(TASK_ID)).upper()])
def test_an_id_may_be_a_uuid(queue, task_id):
    put(queue, TASK_ID)

    assert cancel(task_id) == REMOVED


def test_a_task_in_another_queue_is_found(queue):
    mail = get_broker("mail")
    put(mail, TASK_ID)
    put(mail, "b" * 32)

    assert cancel(TASK_ID) == REMOVED
    assert cancel("b" * 32, queue="mail") == REMOVED


def test_a_task_that_a_cluster_of_another_queue_runs_is_told_to_that(queue):
    mail = get_broker("mail")
    beat(queue, TASK_ID, queue="mail")

    assert cancel(TASK_ID) == REQUESTED

    assert notices_of(queue) == {}
    assert list(notices_of(mail)) == [f"task:{TASK_ID}"]


def test_in_a_queue_that_is_named_no_other_is_asked(queue):
    put(queue, TASK_ID)

    assert cancel(TASK_ID, queue="mail") == UNKNOWN

    assert list(notices_of(get_broker("mail"))) == [f"task:{TASK_ID}"]
    assert queue.find(TASK_ID).kept is None


def test_an_order_for_many_is_one_notice(queue):
    for number in range(5):
        put(queue, f"{number:032}")

    assert cancel(group="g", queue=None, by="anna") == REQUESTED
    assert cancel(queue="mail", by="anna") == REQUESTED

    assert re.fullmatch(BY, notices_of(queue)["group:g"])
    assert re.fullmatch(BY, notices_of(get_broker("mail"))["queue"])


def test_an_order_for_a_group_goes_to_all_queues_that_have_tasks_or_clusters(queue):
    put(get_broker("mail"), TASK_ID)
    beat(queue, queue="lost")

    cancel(group="g")

    for name in (None, "mail", "lost"):
        assert list(notices_of(get_broker(name))) == ["group:g"]


def test_it_goes_to_no_queue_of_another_project(queue, settings):
    with_another_key = settings.SECRET_KEY
    settings.SECRET_KEY = "another"
    payload = SignedPackage.dumps(new_package("f", (), {}, {}))
    settings.SECRET_KEY = with_another_key
    get_broker("mail").enqueue(payload)

    cancel(group="g")

    assert get_broker("mail").notices().values == {}


def test_in_a_queue_that_is_named_it_goes_there_alone(queue):
    cancel(group="g", queue="mail")

    assert list(notices_of(get_broker("mail"))) == ["group:g"]
    assert notices_of(queue) == {}


def test_an_order_names_the_process_unless_it_names_somebody(queue):
    cancel(group="g")

    assert re.search(r"cancelled by \S+:\d+ at", notices_of(queue)["group:g"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({}, "the id of a task, or group=, or queue= alone; got None"),
        ({"task_id": TASK_ID, "group": "g"}, "or queue= alone; got 'aaa"),
        ({"task_id": ""}, "1 to 32 characters, or is a UUID; got ''"),
        ({"task_id": "b" * 33}, "1 to 32 characters"),
        ({"task_id": object()}, "Expected the id or the name of a task"),
        ({"group": ["g"]}, r"'group' must be a text, .* got \['g'\]"),
        ({"group": "g", "by": object()}, "'by' must be a text"),
        ({"group": "g", "reason": b"x"}, "'reason' must be a text"),
        ({"queue": "a\nb"}, "'queue' must be the name of a queue"),
        ({"group": ""}, "or queue= alone"),
    ],
)
def test_what_makes_no_order_is_refused(queue, call, message):
    with pytest.raises(PackageError, match=message):
        cancel(**call)

    assert queue.notices().values == {}


def test_a_broker_that_cancels_nothing_refuses_the_order(make_broker):
    make_broker("custom")

    with pytest.raises(UnsupportedOrder, match="can not cancel"):
        cancel(TASK_ID)


def test_an_order_in_a_transaction_that_is_rolled_back_stands_where_the_queue_is_elsewhere(queue):
    put(queue, TASK_ID)

    with transaction.atomic():
        cancel(TASK_ID, by="anna")
        transaction.set_rollback(True)

    if getattr(queue, "alias", None) is None:
        assert re.fullmatch(BY, mark_of(queue, TASK_ID))
    else:
        assert queue.dequeue(1, 0)[0].state is None
