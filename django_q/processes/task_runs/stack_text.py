"""Write the stacks of a worker's threads, in the handler of the alarm that interrupts its task."""

from __future__ import annotations

import sys
import threading
import traceback
from types import FrameType

from django_q.execution.run_details import OWN_FOLDER
from django_q.execution.time_limit import Alarm
from django_q.processes.shared_state.slot import Slot


def give_stack(slot: Slot, since: float) -> None:
    """Write the stack of the task that began at ``since`` into its slot, if it is asked for."""
    if slot.wants_stack(since):
        slot.give_stack(since, stack_text())


def stack_text() -> str:
    """Write where the code of the task is, and below it where other threads are."""
    own = threading.get_ident()
    frames = sys._current_frames()
    parts = [stack_of(interrupted_frame(frames.pop(own)))]
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in frames.items():
        parts.append(f"\nThread {names.get(ident, ident)}:\n{stack_of(frame)}")
    return "".join(parts)


def interrupted_frame(frame: FrameType) -> FrameType:
    """Find the frame that the handler of the alarm has interrupted."""
    found: FrameType | None = frame
    while found is not None:
        if found.f_code is Alarm.handle_alarm.__code__:
            return found.f_back or frame
        found = found.f_back
    return frame


def stack_of(frame: FrameType) -> str:
    """Write the stack of a frame, from the first function that is none of this package's on."""
    summary = traceback.StackSummary.extract(traceback.walk_stack(frame))
    summary.reverse()
    own = [each.filename.startswith(OWN_FOLDER) for each in summary]
    # What lies below the machinery of the worker, of which the last frame is the call of the task.
    first = len(own) - own[::-1].index(True) if True in own else 0
    return "".join(traceback.format_list(summary[first:] or summary))
