"""Slots: the state of each worker, in memory that the worker writes and the sentinel reads.

There is no lock: a worker that is killed would never release it. A number is written in one step,
a text as ``text_region.py`` does it. The sentinel writes three numbers, to cancel the task that
runs and to ask for its stack.
What belongs to one task has the time when that began beside it: it counts for no other. So SINCE
is cleared before the next task is written, and set last; it is read before and after the rest.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from itertools import accumulate, pairwise
from multiprocessing.sharedctypes import RawArray
from typing import Any

from django_q.processes.shared_state.text_region import TextRegion, Value, region_bytes

#: Bytes for the list of held deliveries, and for the label of the task.
SLOT_BATCH_BYTES, SLOT_LABEL_BYTES = 8192, 1024
#: Bytes for the note of its progress, and for the position of its loops. Divisible by eight.
SLOT_NOTE_BYTES, SLOT_POSITION_BYTES = 200, 512
#: Bytes for the stack of the task, which is written when somebody asks for it.
SLOT_STACK_BYTES = 16384


class WorkerState(IntEnum):
    """What a worker does, or how it ended."""

    STARTING = 0  # not ready yet
    IDLE = 1  # waits for a task
    BUSY = 2  # holds deliveries
    RECYCLED = 3  # ended on purpose: after enough tasks, or for its memory or descriptors
    TIMED_OUT = 4  # ended after a task that exceeded its time limit
    CANCELLED = 5  # ended after a task that was cancelled while it ran


class SlotField:
    """Indexes of the numbers of a slot. Plain integers: most are used once or more per task."""

    STATE = 0
    FINISHED = 1  # deliveries finished since the cluster started, by all workers of this slot
    POSITION = 2  # which of the batch runs, from 0
    SINCE = 3  # when decoding its package began; monotonic, as all times here
    DEADLINE = 4  # when its task, or the exit of the worker, must be over; 0 for none
    DECODED = 5  # how many packages of the batch have been decoded
    SUCCEEDED = 6  # position of the last task of the batch that has succeeded, plus 1
    DONE = 7  # how far the task is, in units of its own; NaN where it has not said
    TOTAL = 8  # how far that can get; NaN where it is not known
    # SINCE of the task that these belong to: the label, DONE and TOTAL and the note, the position
    # of its loops, and the order that cancels it, which the sentinel writes.
    LABEL_SINCE = 9
    PROGRESS_SINCE = 10
    LOOPS_SINCE = 11
    CANCEL_SINCE = 12
    # Which question for the stack of which task: as the sentinel asks, and as the worker answers.
    STACK_ASKED = 13
    STACK_ASKED_SINCE = 14
    STACK_GIVEN = 15
    STACK_SINCE = 16
    FAILED = 17  # runs that have failed since the cluster started, as FINISHED
    COUNT = 18  # the number of these fields


#: The texts of a slot: the held deliveries, the label, the note, the position of loops, the stack.
SLOT_TEXT_SIZES = (
    *(SLOT_BATCH_BYTES, SLOT_LABEL_BYTES, SLOT_NOTE_BYTES, SLOT_POSITION_BYTES, SLOT_STACK_BYTES),
)
SLOT_NUMBERS_BYTES = 8 * SlotField.COUNT
SLOT_BYTES = SLOT_NUMBERS_BYTES + sum(map(region_bytes, SLOT_TEXT_SIZES))

#: One held delivery: its receipt, and the number of its attempt.
HeldDelivery = tuple[Any, int]


@dataclass
class HeldDeliveries:
    """The deliveries that a worker holds, and how far it has got with them."""

    batch: list[HeldDelivery] = field(default_factory=list)
    position: int = 0  # index of the one that runs
    since: float = 0.0
    is_decoded: bool = True  # whether the task has begun; before, its package is being decoded
    has_succeeded: bool = False  # whether the task has succeeded; its result is being prepared

    @property
    def running(self) -> HeldDelivery | None:
        """The delivery whose task runs; None after the last."""
        return self.batch[self.position] if self.position < len(self.batch) else None


class Slot:
    """The part of shared memory that belongs to one worker."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory
        view = memoryview(memory).cast("B")
        self.numbers = view[:SLOT_NUMBERS_BYTES].cast("d")
        starts = accumulate(map(region_bytes, SLOT_TEXT_SIZES), initial=SLOT_NUMBERS_BYTES)
        regions = [TextRegion(view[start:end]) for start, end in pairwise(starts)]
        self.batch, self.label, self.note, self.loops, self.stack = regions

    def __reduce__(self) -> tuple:
        return Slot, (self.memory,)

    @property
    def state(self) -> WorkerState:
        """What the worker does."""
        return WorkerState(int(self.numbers[SlotField.STATE]))

    @state.setter
    def state(self, state: WorkerState) -> None:
        self.numbers[SlotField.STATE] = state

    @property
    def finished(self) -> int:
        """The number of deliveries finished, by all workers of this slot."""
        return int(self.numbers[SlotField.FINISHED])

    @property
    def failed(self) -> int:
        """The number of runs that have failed, of all workers of this slot."""
        return int(self.numbers[SlotField.FAILED])

    def reset(self) -> None:
        """Prepare the slot for a new worker; the numbers of what was finished, and failed, stay."""
        for region in (self.batch, self.label, self.note, self.loops, self.stack):
            region.reset()
        self.numbers[SlotField.SINCE] = self.numbers[SlotField.DEADLINE] = 0.0
        self.state = WorkerState.STARTING

    def take_batch(self, batch: list[HeldDelivery]) -> None:
        """Record a batch, before its first task starts."""
        numbers = self.numbers
        numbers[SlotField.SINCE] = 0.0
        numbers[SlotField.POSITION] = numbers[SlotField.DEADLINE] = 0.0
        numbers[SlotField.DECODED] = numbers[SlotField.SUCCEEDED] = 0.0
        self._write(batch)
        numbers[SlotField.STATE] = WorkerState.BUSY

    def truncate_batch(self, count: int) -> None:
        """Keep only the first ``count`` of the batch: the others are back in the task queue."""
        self._write(self.read().batch[:count])

    def _write(self, batch: list[HeldDelivery]) -> None:
        data = pickle.dumps(batch, pickle.HIGHEST_PROTOCOL)
        while len(data) > SLOT_BATCH_BYTES:  # those left out are redelivered when leases end
            batch = batch[: len(batch) // 2]
            data = pickle.dumps(batch, pickle.HIGHEST_PROTOCOL)
        self.batch.write(data)

    def start_decoding(self, position: int, now: float, limit: float | None) -> None:
        """Record which package of the batch is decoded now, for at most ``limit`` seconds."""
        numbers = self.numbers
        numbers[SlotField.SINCE] = 0.0
        numbers[SlotField.POSITION] = position
        numbers[SlotField.DEADLINE] = now + limit if limit else 0.0
        numbers[SlotField.SINCE] = now

    def start_task(self, position: int, now: float, limit: float | None) -> None:
        """Record that its task starts, for at most ``limit`` seconds."""
        numbers = self.numbers
        numbers[SlotField.DEADLINE] = now + limit if limit else 0.0
        numbers[SlotField.DECODED] = position + 1

    def note_task_success(self, position: int) -> None:
        """Record that the function of the task has returned."""
        self.numbers[SlotField.SUCCEEDED] = position + 1

    def note_task_failure(self) -> None:
        """Count a run that has failed."""
        self.numbers[SlotField.FAILED] += 1

    def finish_batch(self, count: int, state: WorkerState = WorkerState.IDLE) -> None:
        """Record that the batch is finished, and its results are sent."""
        numbers = self.numbers
        numbers[SlotField.FINISHED] += count
        numbers[SlotField.DEADLINE] = 0.0
        self.batch.clear()
        numbers[SlotField.STATE] = state

    def end_worker(self, state: WorkerState, until: float) -> None:
        """Record that this worker takes no more tasks, and until when its process must end."""
        self.numbers[SlotField.DEADLINE] = until
        self.state = state

    @property
    def deadline(self) -> float:
        """When the task, or the exit of the worker, must be over, monotonic; 0 for no limit."""
        return self.numbers[SlotField.DEADLINE]

    def set_label(self, text: str) -> None:
        """Set the label of the task that runs, for the screens and the admin."""
        self.label.write_cut(text)
        self.numbers[SlotField.LABEL_SINCE] = self.numbers[SlotField.SINCE]

    @property
    def current_label(self) -> str:
        """The label of the task that runs; empty without one."""
        return (self.read_of_current("LABEL", self.label.read) or b"").decode(errors="replace")

    def set_progress(
        self, since: float, done: float, total: float, note: str | None = None
    ) -> bool:
        """Set how far the task is that began at ``since``. Returns False once it has ended.

        Without ``note`` that of before stays. A note and its numbers are seen together.
        """
        numbers = self.numbers
        if numbers[SlotField.SINCE] != since:
            return False
        if note is None and numbers[SlotField.PROGRESS_SINCE] == since:
            numbers[SlotField.DONE] = done
            numbers[SlotField.TOTAL] = total
            return True
        self.note.write_cut(note or "", partial(self._set_numbers, done, total))
        numbers[SlotField.PROGRESS_SINCE] = since
        return True

    def _set_numbers(self, done: float, total: float) -> None:
        self.numbers[SlotField.DONE] = done
        self.numbers[SlotField.TOTAL] = total

    @property
    def progress(self) -> tuple[float, float, str] | None:
        """How far the task is that runs, of how much, and its note; None where it has not said."""
        return self.read_of_current("PROGRESS", partial(self.note.read_with, self._progress_with))

    def _progress_with(self, note: bytes) -> tuple[float, float, str]:
        done, total = self.numbers[SlotField.DONE], self.numbers[SlotField.TOTAL]
        return done, total, note.decode(errors="replace")

    def set_loop_position(self, since: float, data: bytes) -> None:
        """Set how far the loops have got of the task that began at ``since``; it must fit."""
        self.loops.write(data)
        self.numbers[SlotField.LOOPS_SINCE] = since

    @property
    def loop_position(self) -> bytes:
        """How far the loops of the task have got that runs; empty where that is not known."""
        return self.read_of_current("LOOPS", self.loops.read) or b""

    def cancel(self, since: float) -> None:
        """Cancel the task that began at ``since``. Called by the sentinel only."""
        self.numbers[SlotField.CANCEL_SINCE] = since

    def is_cancelled(self, since: float) -> bool:
        """Whether the task is cancelled that began at ``since``."""
        return self.numbers[SlotField.CANCEL_SINCE] == since

    def ask_for_stack(self, since: float, question: float) -> None:
        """Ask for the stack of the task that began at ``since``. Called by the sentinel only."""
        self.numbers[SlotField.STACK_ASKED] = question
        self.numbers[SlotField.STACK_ASKED_SINCE] = since

    def wants_stack(self, since: float) -> bool:
        """Whether the stack of the task is asked for, and not given, that began at ``since``."""
        numbers = self.numbers
        is_asked = numbers[SlotField.STACK_ASKED_SINCE] == since
        return is_asked and self.stack_for(since, numbers[SlotField.STACK_ASKED]) is None

    def give_stack(self, since: float, text: str) -> None:
        """Give the stack of the task that began at ``since``."""
        question = self.numbers[SlotField.STACK_ASKED]
        self.stack.write_cut(text)
        self.numbers[SlotField.STACK_GIVEN] = question
        self.numbers[SlotField.STACK_SINCE] = since

    def stack_for(self, since: float, question: float) -> str | None:
        """Return the stack that answers a question for a task; None until it is given."""
        numbers = self.numbers
        if (numbers[SlotField.STACK_GIVEN], numbers[SlotField.STACK_SINCE]) != (question, since):
            return None
        return self.stack.read().decode(errors="replace")

    def is_since(self, since: float) -> bool:
        """Whether the task that was begun last is the one that began at ``since``."""
        return self.numbers[SlotField.SINCE] == since

    def is_of_current(self, what: str) -> bool:
        """Whether the label, the progress, or what else is named so, is of the task that runs."""
        since = self.numbers[getattr(SlotField, f"{what}_SINCE")]
        return self.state is WorkerState.BUSY and since > 0 and self.is_since(since)

    def read_of_current(self, what: str, read: Callable[[], Value]) -> Value | None:
        """Read what is of the task that runs; None where it is of another, or has become so."""
        if not self.is_of_current(what):
            return None
        since, value = self.numbers[SlotField.SINCE], read()
        return value if self.is_of_current(what) and self.is_since(since) else None

    def read(self) -> HeldDeliveries:
        """Read the held deliveries; none if the list is never found complete."""
        found = self.batch.read_with(lambda data: (data, self._held()))
        if found is None:  # the worker was killed while it wrote: no task had started
            return HeldDeliveries()
        data, held = found
        held.batch = pickle.loads(data) if data else []
        return held

    def _held(self) -> HeldDeliveries:
        numbers = self.numbers
        since = math.nan
        while since != numbers[SlotField.SINCE]:  # the next task has begun meanwhile
            since = numbers[SlotField.SINCE]
            position = numbers[SlotField.POSITION]
            is_decoded = numbers[SlotField.DECODED] > position
            has_succeeded = numbers[SlotField.SUCCEEDED] > position
        return HeldDeliveries([], int(position), since, is_decoded, has_succeeded)


class Slots:
    """The slots of all workers of a cluster."""

    def __init__(self, count: int) -> None:
        self.slots = [Slot(RawArray("B", SLOT_BYTES)) for _ in range(count)]

    def __getitem__(self, index: int) -> Slot:
        return self.slots[index]

    def __iter__(self) -> Any:
        return iter(self.slots)

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def idle(self) -> int:
        """The number of workers that wait for a task."""
        return sum(slot.numbers[SlotField.STATE] == WorkerState.IDLE for slot in self.slots)

    @property
    def has_running_task(self) -> bool:
        """Whether a worker runs a task."""
        return any(slot.numbers[SlotField.STATE] == WorkerState.BUSY for slot in self.slots)

    @property
    def finished(self) -> int:
        """The number of deliveries finished by all workers."""
        return sum(slot.finished for slot in self.slots)

    @property
    def failed(self) -> int:
        """The number of runs of all workers that have failed."""
        return sum(slot.failed for slot in self.slots)
