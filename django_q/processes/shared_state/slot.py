"""Slots: the state of each worker, in memory that only the worker writes and the sentinel reads.

There is no lock: a worker that is killed would never release it. A number is written in one step.
The list of held deliveries has a sequence number, which is odd while the list is being written.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from enum import IntEnum
from multiprocessing.sharedctypes import RawArray
from typing import Any

#: Bytes for the list of held deliveries, and for the label of the task.
SLOT_BATCH_BYTES = 8192
SLOT_LABEL_BYTES = 1024


class WorkerState(IntEnum):
    """What a worker does, or how it ended."""

    STARTING = 0  # not ready yet
    IDLE = 1  # waits for a task
    BUSY = 2  # holds deliveries
    RECYCLED = 3  # ended on purpose: after enough tasks, or for its memory or descriptors
    TIMED_OUT = 4  # ended after a task that exceeded its time limit


class SlotField:
    """Indexes of the numbers of a slot. Plain integers: most are used once or more per task."""

    SEQUENCE = 0  # odd while the batch is written
    STATE = 1
    FINISHED = 2  # deliveries finished since the cluster started, by all workers of this slot
    POSITION = 3  # which of the batch runs, from 0
    SINCE = 4  # when decoding its package began; monotonic, as all times here
    DEADLINE = 5  # when its task, or the exit of the worker, must be over; 0 for none
    BATCH = 6  # bytes in use of the batch
    LABEL = 7  # bytes in use of the label
    LABEL_SINCE = 8  # SINCE of the task that the label belongs to
    DECODED = 9  # how many packages of the batch have been decoded
    SUCCEEDED = 10  # position of the last task of the batch that has succeeded, plus 1
    COUNT = 11  # the number of these fields


SLOT_NUMBERS_BYTES = 8 * SlotField.COUNT
SLOT_BYTES = SLOT_NUMBERS_BYTES + SLOT_BATCH_BYTES + SLOT_LABEL_BYTES

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
        self.batch = view[SLOT_NUMBERS_BYTES : SLOT_NUMBERS_BYTES + SLOT_BATCH_BYTES]
        self.label = view[SLOT_NUMBERS_BYTES + SLOT_BATCH_BYTES :]

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

    def reset(self) -> None:
        """Prepare the slot for a new worker; the number of finished deliveries stays."""
        self.numbers[SlotField.SEQUENCE] = 0
        self.numbers[SlotField.BATCH] = 0
        self.numbers[SlotField.DEADLINE] = 0.0
        self.state = WorkerState.STARTING

    def take_batch(self, batch: list[HeldDelivery]) -> None:
        """Record a batch, before its first task starts."""
        numbers = self.numbers
        numbers[SlotField.POSITION] = 0
        numbers[SlotField.SINCE] = numbers[SlotField.DEADLINE] = 0.0
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
        numbers = self.numbers
        numbers[SlotField.SEQUENCE] += 1
        self.batch[: len(data)] = data
        numbers[SlotField.BATCH] = len(data)
        numbers[SlotField.SEQUENCE] += 1

    def start_decoding(self, position: int, now: float, limit: float | None) -> None:
        """Record which package of the batch is decoded now, for at most ``limit`` seconds."""
        numbers = self.numbers
        numbers[SlotField.POSITION] = position
        numbers[SlotField.SINCE] = now
        numbers[SlotField.DEADLINE] = now + limit if limit else 0.0

    def start_task(self, position: int, now: float, limit: float | None) -> None:
        """Record that its task starts, for at most ``limit`` seconds."""
        numbers = self.numbers
        numbers[SlotField.DEADLINE] = now + limit if limit else 0.0
        numbers[SlotField.DECODED] = position + 1

    def note_task_success(self, position: int) -> None:
        """Record that the function of the task has returned."""
        self.numbers[SlotField.SUCCEEDED] = position + 1

    def finish_batch(self, count: int, state: WorkerState = WorkerState.IDLE) -> None:
        """Record that the batch is finished, and its results are sent."""
        numbers = self.numbers
        numbers[SlotField.FINISHED] += count
        numbers[SlotField.DEADLINE] = 0.0
        numbers[SlotField.BATCH] = 0
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
        data = text.encode(errors="replace")[:SLOT_LABEL_BYTES]
        self.label[: len(data)] = data
        self.numbers[SlotField.LABEL] = len(data)
        self.numbers[SlotField.LABEL_SINCE] = self.numbers[SlotField.SINCE]

    @property
    def current_label(self) -> str:
        """The label of the task that runs; empty without one."""
        numbers = self.numbers
        if (
            self.state is not WorkerState.BUSY
            or numbers[SlotField.LABEL_SINCE] != numbers[SlotField.SINCE]
        ):
            return ""
        return bytes(self.label[: int(numbers[SlotField.LABEL])]).decode(errors="replace")

    def read(self) -> HeldDeliveries:
        """Read the held deliveries; none if the list is never found complete."""
        numbers = self.numbers
        for _ in range(100):
            sequence = numbers[SlotField.SEQUENCE]
            data = bytes(self.batch[: int(numbers[SlotField.BATCH])])
            held = HeldDeliveries(
                [],
                int(numbers[SlotField.POSITION]),
                numbers[SlotField.SINCE],
                numbers[SlotField.DECODED] > numbers[SlotField.POSITION],
                numbers[SlotField.SUCCEEDED] > numbers[SlotField.POSITION],
            )
            if sequence % 2 == 0 and numbers[SlotField.SEQUENCE] == sequence:
                held.batch = pickle.loads(data) if data else []
                return held
        return HeldDeliveries()  # the worker was killed while writing: no task had started


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
    def finished(self) -> int:
        """The number of deliveries finished by all workers."""
        return sum(slot.finished for slot in self.slots)


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

    def finish_batch(self, count: int, state: WorkerState = WorkerState.IDLE) -> None:
        """Set the timer to the state of the worker."""
        self.state = state

    def end_worker(self, state: WorkerState, until: float) -> None:
        """Set the timer to how the worker ends."""
        self.state = state

    def set_label(self, text: str) -> None:
        """Do nothing: the timer has no label."""
