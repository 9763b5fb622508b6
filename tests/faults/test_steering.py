"""What has to hold of steered tasks is missed where it does not hold."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from django_q.models import Heartbeat, Task
from tests.faults import steering
from tests.faults.invariants import Crash, TaskRun, Trace
from tests.faults.steered_tasks import FAILURES, FAR_OFF, ITEMS, Failed, item_key
from tests.faults.steering import Steered
from tests.faults.tasks import leave

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand for a run of which task 1 has succeeded, in the database of the tests."""
    monkeypatch.setattr(steering, "ALIAS", "default")
    return SimpleNamespace(
        accepted={1: "a"}, crashes=[], trace_file=tmp_path / "trace", saved=lambda success: {"a"}
    )


def found(run: SimpleNamespace, trace: Trace | None = None, **steered: Any) -> list[str]:
    """List what does not hold, without what it is of."""
    violations = Steered(random.Random(1), **steered).violations(trace or Trace(), run)
    return [text.partition(":")[0] for text in violations]


def test_an_item_that_left_nothing_is_named(run):
    for item in (0, 2):
        leave(f"{run.trace_file}{ITEMS}", f"{item}", 1)

    assert found(run, items={1: 3}) == ["an item was skipped"]
    leave(f"{run.trace_file}{ITEMS}", "1", 1)
    assert found(run, items={1: 3}) == []


def test_an_item_that_left_no_row_is_named(run):
    Heartbeat.objects.create(key=item_key(1, 0), expires=FAR_OFF)

    assert found(run, items={1: 2}, with_rows={1}) == ["an item was skipped"]
    Heartbeat.objects.create(key=item_key(1, 1), expires=FAR_OFF)
    assert found(run, items={1: 2}, with_rows={1}) == []


def test_a_run_behind_a_removal_is_named(run):
    trace = Trace()
    trace.runs[1].append(TaskRun(1, 7, 5.0, 6.0))

    assert found(run, trace, removed={"a": 4.9}) == ["run though it was removed"]
    assert found(run, trace, removed={"a": 5.1}) == []


@pytest.mark.parametrize(
    ("recorded", "happened", "crashes", "is_right"),
    [(2, 2, 0, True), (1, 2, 0, False), (1, 2, 1, True), (2, 1, 1, False)],
)
def test_attempts_that_are_miscounted_are_named(run, recorded, happened, crashes, is_right):
    now = datetime.now(timezone.utc)
    ends = [{"exception": f"{Failed.__module__}.{Failed.__qualname__}"}] * recorded
    Task.objects.create(id="a", name="a", func="f", started=now, stopped=now, attempts=ends)
    for _ in range(happened):
        leave(f"{run.trace_file}{FAILURES}", "x", 1)
    run.crashes = [Crash(1.0, set())] * crashes

    assert found(run, failures={1: happened}) == (
        [] if is_right else ["attempts not counted right"]
    )
