"""Notices that nobody needs are withdrawn, so that there are few."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from django_q.exceptions import TooManyNotices
from django_q.models import Task
from django_q.orders.notices import CancelOrder, withdraw_quietly
from django_q.processes.monitor import MonitorLoop, monitor
from django_q.processes.shared_state.order_table import OrderTable
from django_q.queues import STOP, Queue
from django_q.signing import SignedPackage
from django_q.wire.package import new_package
from tests.integration.orders.given import TASK_ID, notices_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def table():
    """Make an order table with a notice for a task, and one for a group."""
    table = OrderTable()
    table.write({f"task:{TASK_ID}": (1.0, "cancelled"), "group:g": (1.0, "cancelled")})
    return table


def finished(broker: Any, task_id: str = TASK_ID, success: bool = False, **values: Any) -> dict:
    """Make the package of a task that was taken from a broker and has ended."""
    broker.enqueue(SignedPackage.dumps(new_package("tests.tasks.multiply", (), {}, {}, task_id)))
    (delivery,) = broker.dequeue(1, 0)
    package = new_package("tests.tasks.multiply", (), {}, {"group": "g"}, task_id)
    end = {"ack_id": delivery.ack_id, "result": "", "success": success, "stopped": timezone.now()}
    return {**package, **end, **values}


def complete(broker: Any, table: OrderTable | None, *packages: dict) -> None:
    """Run the monitor of a cluster."""
    results = Queue()
    results.put_many([*packages, STOP])
    monitor(results, broker, table)


def post(broker: Any) -> None:
    """Post the notices that the table has."""
    for key in (f"task:{TASK_ID}", "group:g"):
        CancelOrder("anna").post(broker, key)


@pytest.mark.parametrize("end", [{"cancelled": "cancelled by anna"}, {"success": True}, {}])
def test_the_monitor_withdraws_the_notice_of_a_task_however_it_has_ended(queue, table, end):
    post(queue)

    complete(queue, table, finished(queue, **end), finished(queue, "b" * 32))

    assert list(notices_of(queue)) == ["group:g"]
    assert Task.objects.count() == 2


@pytest.mark.parametrize("end", [{"max_attempts": 5}, {"stopped_at": {}}, {"handed_back": True}])
def test_the_notice_of_a_task_that_is_delivered_again_stays(queue, table, end):
    post(queue)

    MonitorLoop(Queue(), queue, table).withdraw_notices([finished(queue, **end)])

    assert len(notices_of(queue)) == 2


def test_a_task_that_was_cancelled_is_not_delivered_again_whatever_its_options(queue, table):
    package = finished(queue, max_attempts=5, ack_failure=False, cancelled="cancelled by anna")

    complete(queue, table, package)

    assert queue.queue_size() == queue.lock_size() == 0
    assert Task.objects.get().attempt_count == 1


def test_a_monitor_withdraws_nothing_where_there_are_no_notices(queue, monkeypatch):
    calls: list[Any] = []
    monkeypatch.setattr(type(queue), "withdraw_notices", lambda self, keys: calls.append(keys))

    complete(queue, OrderTable(), finished(queue))
    complete(queue, None, finished(queue, "b" * 32))

    assert calls == []


@pytest.mark.parametrize("error", [ConnectionError, ValueError, KeyboardInterrupt])
def test_a_notice_that_can_not_be_withdrawn_holds_no_result_up(queue, table, monkeypatch, error):
    def fail(self: Any, keys: Any) -> None:
        raise error("as asked")

    monkeypatch.setattr(type(queue), "withdraw_notices", fail)

    complete(queue, table, finished(queue))

    assert Task.objects.count() == 1
    assert queue.queue_size() == queue.lock_size() == 0
    monkeypatch.undo()


def test_where_there_are_too_many_those_of_ended_tasks_go_first(queue, monkeypatch):
    def post_few(self: Any, key: str, *rest: Any) -> None:
        if len(self.notices().values) >= 2:
            raise TooManyNotices("two are enough")
        post_notice(self, key, *rest)

    post_notice = type(queue).post_notice
    monkeypatch.setattr(type(queue), "post_notice", post_few)
    post(queue)
    with pytest.raises(TooManyNotices):
        CancelOrder().post(queue, "group:a")
    now = timezone.now()
    Task.objects.create(id=TASK_ID, name="n", func="f", started=now, stopped=now)

    CancelOrder().post(queue, "group:a")

    assert sorted(notices_of(queue)) == ["group:a", "group:g"]


def test_withdrawing_quietly_returns_nothing(queue):
    post(queue)

    withdraw_quietly(queue, ["group:g"])

    assert list(notices_of(queue)) == [f"task:{TASK_ID}"]
