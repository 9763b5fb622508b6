"""The number that workers of Django Q take in the place of a slot."""

from __future__ import annotations

from multiprocessing import Value

import pytest

from django_q.processes.shared_state.slot import WorkerState
from django_q.processes.task_runs.timer_slot import TimerSlotAdapter


@pytest.mark.parametrize(
    ("state", "value"),
    [(WorkerState.IDLE, -1), (WorkerState.RECYCLED, -2), (WorkerState.TIMED_OUT, 0)],
)
def test_a_timer_shows_the_state_as_the_predecessors_do(state, value):
    timer = Value("f", 9)

    TimerSlotAdapter(timer).finish_batch(1, state)

    assert timer.value == value


def test_a_timer_shows_the_time_limit():
    timer = Value("f", -1)

    TimerSlotAdapter(timer).start_task(0, 0, 30)
    assert timer.value == 30

    TimerSlotAdapter(timer).start_task(0, 0, None)
    assert timer.value == -1
