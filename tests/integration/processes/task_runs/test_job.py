"""What a worker makes of a job, with what was kept of earlier attempts."""

from __future__ import annotations

import math
import time

import pytest

from django_q.brokers.contract.kept_state import KeptState
from django_q.processes.task_runs.job import read_job
from django_q.signing import SignedPackage
from django_q.task_state.attempts import Attempts, sign_attempts
from django_q.task_state.cancellation import sign_cancellation
from django_q.task_state.position import read_position, sign_position
from django_q.task_state.signed_text import POSITION, sign_text
from django_q.wire.package import new_package

TASK_ID = "1" * 32
ENDS = [{"time": "2026-01-01T00:00:00+00:00", "exception": "ValueError", "attempt": 1}]


def read(state, *, has_state=True, **package):
    """Read the job of a task."""
    payload = SignedPackage.dumps({**new_package("f", (), {}, {}, TASK_ID), **package})
    job = ("receipt", payload, 2, math.inf, None)
    return read_job((*job, state) if has_state else job, time.monotonic())


def test_what_was_kept_is_in_the_package():
    state = KeptState(
        sign_attempts(TASK_ID, Attempts(ENDS, 3, 1)),
        sign_position(TASK_ID, {"0": [5, 17, "shop.order"]}),
        sign_cancellation(TASK_ID, "anna", 0.0),
    )

    package = read(state)

    assert (package["ends"], package["ended_count"], package["deaths"]) == (ENDS, 3, 1)
    assert package["position"] == {"0": [5, 17, "shop.order"]}
    assert package["cancelled"] == "cancelled by anna at 1970-01-01 00:00:00 UTC"


@pytest.mark.parametrize("has_state", [True, False])
def test_a_job_of_which_nothing_was_kept_has_no_more_keys(has_state):
    package = read(None, has_state=has_state)

    assert package.keys().isdisjoint({"ends", "ended_count", "deaths", "position", "cancelled"})


@pytest.mark.parametrize("task_id", ["2" * 32, None])
def test_what_was_not_signed_for_this_task_is_left_out_and_said(task_id, caplog):
    if task_id:
        state = KeptState(
            sign_attempts(task_id, Attempts(ENDS, 1, 0)),
            sign_position(task_id, {"0": [5]}),
            sign_cancellation(task_id, "anna", 0.0),
        )
    else:
        state = KeptState("a", "b", "c")

    package = read(state)

    assert package.keys().isdisjoint({"ends", "ended_count", "deaths", "position", "cancelled"})
    assert caplog.text.count("runs without what was kept of it") == 3


def test_what_a_package_says_itself_does_not_count():
    package = read(None, position={"0": [9]}, cancelled="by itself", ends=[1])

    assert package.keys().isdisjoint({"ends", "position", "cancelled"})


@pytest.mark.parametrize(
    "value", [{"0": [-1]}, {"0": ["5"]}, {"0": []}, {"0": 5}, {"0": [True]}, {}]
)
def test_a_position_that_is_none_begins_anew(value):
    assert read_position(TASK_ID, sign_position(TASK_ID, value)) == {}


def test_a_position_that_is_no_dictionary_is_refused():
    state = KeptState(position=sign_text(POSITION, TASK_ID, [5]))

    assert "position" not in read(state)
