"""What has to hold of tasks with options is missed where it does not hold."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.invariants import LINK, Crash, TaskRun, Trace, absent_tasks
from tests.faults.options import LATE, Asked, make_options, taken_keys

RUN = SimpleNamespace(
    accepted={1: "a", 2: "b", 3: "a"}, crashes=[], has_lapsed=False, has_delays=True
)


def trace_of(*runs: tuple[int, float, float]) -> Trace:
    """Make the trace of runs: number, begin, end."""
    trace = Trace()
    for number, began, ended in runs:
        trace.runs[number].append(TaskRun(number, 7, began, ended))
    return trace


def found(asked: Asked, trace: Trace, expired: tuple = (), **run: Any) -> list[str]:
    """List what does not hold, without what it is of."""
    run = SimpleNamespace(**vars(RUN) | run)
    return [text.partition(":")[0] for text in asked.violations(trace, run, set(expired))]


@pytest.mark.parametrize(
    ("asked", "trace", "wrong"),
    [
        (Asked(not_before={1: 5.0}), trace_of((1, 4.0, 6.0)), "begun before it was due"),
        (Asked(not_after={1: 5.0}), trace_of((1, 5.1 + LATE, 9.0)), "begun after it had expired"),
        (
            Asked(unique={1: "k", 2: "k"}),
            trace_of((1, 1.0, 3.0), (2, 2.0, 4.0)),
            "two of one unique key at once",
        ),
        (
            Asked(idempotent={1: "k", 3: "k"}),
            trace_of((1, 1.0, 2.0), (3, 3.0, 4.0)),
            "an idempotency key has several tasks",
        ),
        (Asked(idempotent={1: "k", 2: "k"}), trace_of(), "an idempotency key has several tasks"),
    ],
)
def test_what_does_not_hold_is_named(asked, trace, wrong):
    assert found(asked, trace) == [wrong]


def test_what_holds_is_not_named():
    asked = Asked({1: 5.0}, {2: 9.0}, {1: "k", 2: "k", 3: "l"}, {1: "k", 3: "k"})

    assert found(asked, trace_of((1, 5.0, 6.0), (2, 6.0, 8.0))) == []


def test_a_task_that_has_run_and_expired_is_named_unless_it_was_killed():
    asked, trace = Asked(not_after={1: 5.0}), trace_of((1, 4.0, 4.5))

    assert found(asked, trace, ("a",)) == ["expired and had run"]
    assert found(asked, trace, ("a",), crashes=[Crash(4.2, set())]) == []
    assert found(asked, trace_of(), ("a",)) == []


def test_times_are_left_out_where_leases_have_ended_early():
    asked = Asked({1: 5.0}, {1: 1.0}, {1: "k", 2: "k"})

    assert found(asked, trace_of((1, 4.0, 6.0), (2, 4.0, 6.0)), has_lapsed=True) == []


def test_a_task_may_begin_late_where_the_clock_is_set_back():
    asked, trace = Asked(not_after={1: 1.0}), trace_of((1, 2.0 + LATE, 6.0))

    assert found(asked, trace, has_delays=False) == []


def test_only_tasks_that_were_to_expire_may_have_expired():
    assert Asked(not_after={1: 5.0}).expired(RUN.accepted, {"a", "b"}) == {"a"}


def test_each_unique_key_is_tried_once_and_those_that_are_taken_are_named():
    tried = []

    def is_free(key: str, number: int) -> bool:
        tried.append((key, number))
        return key != "b"

    assert taken_keys(["b", "a", "b"], is_free) == ["not free: b"]
    assert [key for key, _ in tried] == ["a", "b"]


def test_options_of_each_kind_are_made_up_and_none_that_a_clock_ends_where_it_is_set_back():
    def kinds(*whether: bool) -> set[str]:
        return {key for seed in range(200) for key in make_options(random.Random(seed), *whether)}

    delays = {"run_after", "unique_for"}
    others = {"priority", "expires", "unique", "on_duplicate", "idempotency_key", "track"}
    assert kinds(True) == others | delays
    assert kinds(False) == others
    assert kinds(True, False) == others | {"run_after"}


def test_what_is_missing_is_counted_by_task_and_links_that_are_not_due_not_at_all():
    accepted = {1: "a", 2: "b", 3: "a", LINK + 2: "c", LINK + 4: "d"}

    assert absent_tasks([1, 2, 3, LINK + 2, LINK + 4], accepted) == [1, 2, LINK + 4]
