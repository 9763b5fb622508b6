"""Which runs are cancelled, and that the order hits no other."""

from __future__ import annotations

import math
import os
import signal
import time
from types import SimpleNamespace

import pytest

from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.shared_state.slot import Slot, Slots, WorkerState
from django_q.processes.shared_state.task_label import task_label
from django_q.processes.supervision.child import Child
from django_q.processes.task_runs.cancelled_runs import CancelledRuns
from django_q.task_state.cancellation import QUEUE_KEY, group_key, task_key

TASK_ID = "1" * 32


@pytest.fixture
def signals():
    """List the alarms that this process gets, which stands for a worker."""
    got = []
    before = signal.signal(signal.SIGALRM, lambda signum, frame: got.append(signum))
    yield got
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def child(signals):
    """Make a worker that has begun a task."""
    child = Child("worker", Slots(1)[0], 1)
    child.process, child.is_running = SimpleNamespace(pid=os.getpid(), exitcode=-9), True
    child.exit_descriptor = os.pidfd_open(os.getpid())
    yield child
    os.close(child.exit_descriptor)


def begin(child, since, **package):
    """Have the slot say that a task runs."""
    child.slot.take_batch([(f"receipt {since}", 1), ("waiting", 1)])
    child.slot.start_decoding(0, since, None)
    child.slot.start_task(0, since, None)
    started = SimpleNamespace(timestamp=lambda: 100.0)
    label = task_label({"id": TASK_ID, "started": started, **package}, "a-name", "f")
    child.slot.set_label(label)


def order(key, time=200.0):
    """Make a table with one order."""
    table = OrderTable()
    table.write({key: (time, "cancelled by anna")})
    return table


@pytest.mark.parametrize(
    ("key", "posted", "package", "is_meant"),
    [
        (task_key(TASK_ID), 0.0, {}, True),
        (task_key("2" * 32), 200.0, {}, False),
        (task_key("whole"), 0.0, {"group": "whole", "iter_count": 3}, True),
        (group_key("mail"), 200.0, {"group": "mail"}, True),
        (group_key("mail"), 50.0, {"group": "mail"}, False),
        (group_key("mail"), 50.0, {"group": "mail", "chain_started": 40.0}, True),
        (group_key("mail"), 200.0, {"group": "whole", "iter_group": "mail"}, True),
        (QUEUE_KEY, 200.0, {}, True),
        (QUEUE_KEY, 50.0, {}, False),
    ],
)
def test_a_run_is_cancelled_that_an_order_is_for(child, signals, key, posted, package, is_meant):
    begin(child, 1.0, **package)

    CancelledRuns(order(key, posted)).signal([child])

    assert bool(signals) == is_meant
    assert child.slot.is_cancelled(1.0) == is_meant


def test_an_order_does_not_hit_the_next_task(child):
    runs = CancelledRuns(order(task_key(TASK_ID)))
    begin(child, 1.0)
    runs.signal([child])

    begin(child, 2.0, id="2" * 32)
    runs.signal([child])

    assert not child.slot.is_cancelled(2.0)
    assert child.overdue_at(3) == float("inf")
    assert child.running(3.0).get("cancelled") is None


def test_a_run_that_goes_on_is_overdue_and_its_end_is_a_cancellation(child):
    begin(child, 1.0)
    CancelledRuns(order(task_key(TASK_ID))).signal([child])

    assert child.overdue_at(3) <= time.monotonic() + 3
    assert child.running(3.0)["cancelled"] == "cancelled by anna"
    orphaned = child.orphaned_deliveries()
    assert orphaned.cancelled == "cancelled by anna"
    assert orphaned.running == ("receipt 1.0", 1)
    assert (orphaned.timed_out, orphaned.stopped) == (False, False)
    assert child.was_cancelled


@pytest.mark.parametrize("kind", ["cancelled", "limit"])
def test_a_task_that_began_while_its_worker_was_killed_for_another_is_released(child, kind):
    begin(child, 1.0)
    if kind == "cancelled":
        CancelledRuns(order(task_key(TASK_ID))).signal([child])
    child.process.kill = lambda: begin(child, 2.0, id="2" * 32)

    child.kill_if_overdue(math.inf, 3)
    orphaned = child.orphaned_deliveries()

    assert orphaned.running == ("receipt 2.0", 1)
    assert (orphaned.stopped, orphaned.timed_out, orphaned.cancelled) == (True, False, "")


def test_a_worker_is_not_killed_for_a_time_limit_that_ends_while_it_is_read(child, monkeypatch):
    child.slot.take_batch([("receipt", 1)])
    child.slot.start_decoding(0, 1.0, 1e9)
    read, kills = Slot.deadline.fget, []
    child.process.kill = lambda: kills.append(child)

    def read_and_finish(slot):
        deadline = read(slot)
        slot.finish_batch(1)
        return deadline

    monkeypatch.setattr(Slot, "deadline", property(read_and_finish))
    child.kill_if_overdue(time.monotonic(), 3)

    assert not kills


def test_a_task_that_begins_while_its_worker_is_found_overdue_is_released(child, monkeypatch):
    begin(child, 1.0)
    child.process.kill = lambda: None

    def overdue_at(grace):
        begin(child, 2.0, id="2" * 32)
        return 0.0

    monkeypatch.setattr(child, "overdue_at", overdue_at)
    child.kill_if_overdue(time.monotonic(), 3)

    orphaned = child.orphaned_deliveries()
    assert (orphaned.stopped, orphaned.timed_out) == (True, False)


def test_the_position_of_a_task_whose_worker_died_is_told(child):
    begin(child, 1.0)
    assert child.orphaned_deliveries().position is None

    child.slot.set_loop_position(1.0, b'{"0":[3]}')

    assert child.orphaned_deliveries().position == {"0": [3]}


def test_a_worker_that_has_ended_by_itself_after_a_cancelled_task_has_not_failed(child):
    child.slot.end_worker(WorkerState.CANCELLED, 0.0)

    assert child.was_cancelled
    assert not child.has_failed
    assert child.cause() == "cancellation"


def test_a_heartbeat_tells_of_a_run_what_it_told_before_and_its_progress(child):
    begin(child, 1.0, group="mail")
    before = {"pid", "id", "name", "func", "group", "attempt", "since", "seconds"}
    assert child.running(3.0).keys() == before

    child.slot.set_progress(1.0, 2.0, float("nan"))

    assert child.running(3.0).keys() == before | {"done", "note"}
    assert (child.running(3.0)["done"], child.running(3.0)["seconds"]) == (2, 2.0)
