"""A slot as workers of Django Q have it: one number."""

from __future__ import annotations

from typing import Any

from django_q.processes.shared_state.slot import HeldDelivery, WorkerState


class TimerSlotAdapter:
    """A slot that writes to the ``multiprocessing.Value`` that workers of Django Q take.

    Its value: -1 idle, 0 timed out, -2 recycled, otherwise the seconds that the task may run.
    It has no place for the other fields of a slot.
    """

    TIMER_VALUES = {
        WorkerState.STARTING: -1,
        WorkerState.IDLE: -1,
        WorkerState.RECYCLED: -2,
        WorkerState.TIMED_OUT: 0,
        WorkerState.CANCELLED: 0,
    }

    def __init__(self, timer: Any) -> None:
        self.timer = timer

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "state":
            self.timer.value = self.TIMER_VALUES.get(value, -1)
        else:
            super().__setattr__(name, value)

    def take_batch(self, batch: list[HeldDelivery]) -> None:
        """Do nothing: the timer holds no deliveries."""

    def truncate_batch(self, count: int) -> None:
        """Do nothing: the timer holds no deliveries."""

    def start_decoding(self, position: int, now: float, limit: float | None) -> None:
        """Do nothing: the timer runs from the start of the task."""

    def start_task(self, position: int, now: float, limit: float | None) -> None:
        """Set the timer to the time limit, -1 for none."""
        self.timer.value = limit or -1

    def note_task_success(self, position: int) -> None:
        """Do nothing: the timer does not show it."""

    def note_task_failure(self) -> None:
        """Do nothing: the timer does not count it."""

    def finish_batch(self, count: int, state: WorkerState = WorkerState.IDLE) -> None:
        """Set the timer to the state of the worker."""
        self.state = state

    def end_worker(self, state: WorkerState, until: float) -> None:
        """Set the timer to how the worker ends."""
        self.state = state

    def set_label(self, text: str) -> None:
        """Do nothing: the timer has no label."""
