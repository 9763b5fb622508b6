"""The stack of a task, which is written in the handler of the alarm."""

from __future__ import annotations

import os
import signal
import threading

from django_q.execution.time_limit import Alarm
from django_q.processes.shared_state.slot import Slots
from django_q.processes.task_runs.stack_text import give_stack, stack_text


def interrupted() -> list[str]:
    """Be interrupted by an alarm, in the handler of which the stack is written."""
    found: list[str] = []

    def find_cancellation() -> None:
        found.append(stack_text())

    alarm = Alarm(lambda: None, 10, find_cancellation)
    before = signal.getsignal(signal.SIGALRM)
    alarm.install()
    alarm.running = True
    os.kill(os.getpid(), signal.SIGALRM)
    alarm.running = False
    alarm.end_batch()
    signal.signal(signal.SIGALRM, before)
    return found


def test_it_ends_where_the_task_was_interrupted():
    (text,) = interrupted()

    own = text.partition("\nThread ")[0]  # pytest may have others
    assert own.splitlines()[-2].endswith("in interrupted")
    assert "handle_alarm" not in text


def test_other_threads_are_told_as_well():
    is_over = threading.Event()
    thread = threading.Thread(target=is_over.wait, name="counting")
    thread.start()
    try:
        text = stack_text()
    finally:
        is_over.set()
        thread.join()

    assert "\nThread counting:\n" in text


def test_it_is_written_only_where_it_is_asked_for():
    slot = Slots(1)[0]
    give_stack(slot, 5.0)
    assert slot.stack_for(5.0, 200.0) is None

    slot.ask_for_stack(5.0, 200.0)
    give_stack(slot, 5.0)

    assert "in test_it_is_written" in slot.stack_for(5.0, 200.0)
