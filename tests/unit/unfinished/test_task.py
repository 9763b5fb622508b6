"""Unfinished tasks, made from what brokers and heartbeats tell."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from django_q.brokers.terms import DELAYED, LEASED, WAITING, QueuedTask
from django_q.signing import SignedPackage
from django_q.unfinished.task import from_broker, from_heartbeat
from django_q.wire.package import new_package

MOMENT = datetime(2026, 5, 1, tzinfo=timezone.utc)
EPOCH = MOMENT.timestamp()


def queued(state=WAITING, package=(), **values):
    """Make a task as a broker tells of it."""
    made = {**new_package(print, (), {}, {}, "1" * 32, MOMENT), **dict(package)}
    return QueuedTask(SignedPackage.dumps(made), state, **values)


@pytest.mark.parametrize(
    ("state", "attempts", "runs", "expected"),
    [
        (WAITING, 0, False, ("waiting", 0)),
        (WAITING, 2, False, ("waiting", 2)),
        (WAITING, 1, True, ("waiting", 1)),  # the heartbeat is older than the crash
        (DELAYED, 1, False, ("delayed", 1)),
        (LEASED, 1, False, ("waiting", 0)),
        (LEASED, 3, True, ("running", 3)),
        (LEASED, 0, False, ("waiting", 0)),  # a broker that does not count
    ],
)
def test_states_and_attempts(state, attempts, runs, expected):
    running = {"1" * 32: {}} if runs else {}

    task = from_broker(queued(state, attempts=attempts), "mail", running)

    assert (task.state, task.attempt) == expected


def test_a_function_that_was_pickled_is_named():
    assert from_broker(queued(), "mail", {}).func.endswith(".print")


def test_a_package_says_when_it_was_enqueued():
    assert from_broker(queued(since=EPOCH + 5), "mail", {}).since == MOMENT


def test_where_the_package_does_not_say_it_the_broker_does():
    task = from_broker(queued(package={"started": None}, since=EPOCH), "mail", {})

    assert task.since == MOMENT
    assert from_broker(queued(package={"started": None}), "mail", {}).since is None


def test_only_a_delayed_task_has_a_due_time():
    leased = from_broker(queued(LEASED, due=EPOCH), "mail", {})
    delayed = from_broker(queued(DELAYED, due=EPOCH, expires=EPOCH), "mail", {})

    assert (leased.due, delayed.due, delayed.expires) == (None, MOMENT, MOMENT)


@pytest.mark.parametrize("timestamp", [1e20, -1e20, float("nan")])
def test_a_time_beyond_all_times_is_none(timestamp):
    task = from_broker(queued(DELAYED, due=timestamp, package={"started": 1}), "mail", {})

    assert (task.due, task.since) == (None, None)


def test_names_that_are_no_text_are_written_out():
    package = {"id": 5, "name": ["a"], "group": 3, "func": {}}

    task = from_broker(queued(package=package), "mail", {})

    assert (task.id, task.name, task.group, task.func) == ("5", "['a']", "3", "{}")


def test_a_heartbeat_of_a_task_without_group_and_time():
    run = {"id": "a", "name": "n", "func": "f", "group": "", "attempt": 2, "since": 0}

    task = from_heartbeat(run, "mail")

    assert (task.group, task.since, task.attempt, task.state) == (None, None, 2, "running")
