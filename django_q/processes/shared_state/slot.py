"""Slots: what each worker does, in memory that the sentinel reads and only the worker writes.

There is no lock, which a killed worker would take along. A number is written in one step; the
list of what is in hand is guarded by a sequence number, odd while it is being written.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from enum import IntEnum
from multiprocessing.sharedctypes import RawArray
from typing import Any

#: Bytes for the list of deliveries in hand, and for the label of the task.
SLOT_BATCH_BYTES = 8192
SLOT_LABEL_BYTES = 512


class WorkerState(IntEnum):
    """What a worker is up to."""

    STARTING = 0  # not ready yet
    IDLE = 1  # waits for a task
    BUSY = 2  # has deliveries in hand
    RECYCLED = 3  # ended on purpose, after its share of tasks
    TIMED_OUT = 4  # ended after a task that ran into its time limit


class SlotField:
    """The numbers of a slot; times are monotonic. Plain integers, as most of it is per task."""

    SEQUENCE = 0  # odd while the batch is written
    STATE = 1
    FINISHED = 2  # deliveries finished since the cluster started, by all workers of this slot
    POSITION = 3  # which of the batch runs, from 0
    SINCE = 4  # when its package began to be read
    DEADLINE = 5  # its time limit, or that of the end of a worker; 0 for none
    BATCH = 6  # bytes of the batch
    LABEL = 7  # bytes of the label
    LABELLED = 8  # SINCE of the task that the label belongs to
    READ = 9  # how many packages of the batch have been read
    RETURNED = 10  # how many tasks of the batch have succeeded, up to the last that has
    COUNT = 11  # of these


SLOT_NUMBERS_BYTES = 8 * SlotField.COUNT
SLOT_BYTES = SLOT_NUMBERS_BYTES + SLOT_BATCH_BYTES + SLOT_LABEL_BYTES

#: One delivery in hand: its receipt, and the number of its attempt.
HeldDelivery = tuple[Any, int]


@dataclass
class HeldDeliveries:
    """What a worker has in hand."""

    batch: list[HeldDelivery] = field(default_factory=list)
    position: int = 0  # index of the one that runs
    since: float = 0.0
    is_read: bool = True  # whether the task has begun; until then its package is being read
    has_returned: bool = False  # whether the task has succeeded; its result is being seen to

    @property
    def running(self) -> HeldDelivery | None:
        """The delivery whose task runs."""
        return self.batch[self.position] if self.position < len(self.batch) else None


class Slot:
    """One worker's place in the shared memory."""

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
        """What the worker is up to."""
        return WorkerState(int(self.numbers[SlotField.STATE]))

    @state.setter
    def state(self, state: WorkerState) -> None:
        self.numbers[SlotField.STATE] = state

    @property
    def finished(self) -> int:
        """Deliveries finished."""
        return int(self.numbers[SlotField.FINISHED])

    def reset(self) -> None:
        """Make the slot ready for a new worker; what was counted stays."""
        self.numbers[SlotField.SEQUENCE] = 0
        self.numbers[SlotField.BATCH] = 0
        self.numbers[SlotField.DEADLINE] = 0.0
        self.state = WorkerState.STARTING

    def take_batch(self, batch: list[HeldDelivery]) -> None:
        """Write down a batch before its first task starts."""
        numbers = self.numbers
        numbers[SlotField.POSITION] = 0
        numbers[SlotField.SINCE] = numbers[SlotField.DEADLINE] = 0.0
        numbers[SlotField.READ] = numbers[SlotField.RETURNED] = 0.0
        self._write(batch)
        numbers[SlotField.STATE] = WorkerState.BUSY

    def truncate_batch(self, count: int) -> None:
        """Forget all of the batch but the first ``count``: the others were put back."""
        self._write(self.read().batch[:count])

    def _write(self, batch: list[HeldDelivery]) -> None:
        data = pickle.dumps(batch, pickle.HIGHEST_PROTOCOL)
        while len(data) > SLOT_BATCH_BYTES:  # those left out come back when their lease ends
            batch = batch[: len(batch) // 2]
            data = pickle.dumps(batch, pickle.HIGHEST_PROTOCOL)
        numbers = self.numbers
        numbers[SlotField.SEQUENCE] += 1
        self.batch[: len(data)] = data
        numbers[SlotField.BATCH] = len(data)
        numbers[SlotField.SEQUENCE] += 1

    def begin_reading(self, position: int, now: float, limit: float | None) -> None:
        """Write down which of the batch is read now, and the seconds that this may take."""
        numbers = self.numbers
        numbers[SlotField.POSITION] = position
        numbers[SlotField.SINCE] = now
        numbers[SlotField.DEADLINE] = now + limit if limit else 0.0

    def start_task(self, position: int, now: float, limit: float | None) -> None:
        """Write down that it starts, with its own time limit in seconds."""
        numbers = self.numbers
        numbers[SlotField.DEADLINE] = now + limit if limit else 0.0
        numbers[SlotField.READ] = position + 1

    def note_task_success(self, position: int) -> None:
        """Write down that the task itself has succeeded."""
        self.numbers[SlotField.RETURNED] = position + 1

    def finish_batch(self, count: int, state: WorkerState = WorkerState.IDLE) -> None:
        """Write down that the whole batch is finished and handed on."""
        numbers = self.numbers
        numbers[SlotField.FINISHED] += count
        numbers[SlotField.DEADLINE] = 0.0
        numbers[SlotField.BATCH] = 0
        numbers[SlotField.STATE] = state

    def end_worker(self, state: WorkerState, until: float) -> None:
        """Write down that this worker takes no more tasks, and when its process has to be gone."""
        self.numbers[SlotField.DEADLINE] = until
        self.state = state

    @property
    def deadline(self) -> float:
        """When what runs has to be over, monotonic; 0 for never."""
        return self.numbers[SlotField.DEADLINE]

    def set_label(self, text: str) -> None:
        """Label the task that runs, for people who look."""
        data = text.encode(errors="replace")[:SLOT_LABEL_BYTES]
        self.label[: len(data)] = data
        self.numbers[SlotField.LABEL] = len(data)
        self.numbers[SlotField.LABELLED] = self.numbers[SlotField.SINCE]

    @property
    def current_label(self) -> str:
        """The label of the task that runs; empty where it has none."""
        numbers = self.numbers
        if (
            self.state is not WorkerState.BUSY
            or numbers[SlotField.LABELLED] != numbers[SlotField.SINCE]
        ):
            return ""
        return bytes(self.label[: int(numbers[SlotField.LABEL])]).decode(errors="replace")

    def read(self) -> HeldDeliveries:
        """Read what is in hand; nothing when it can not be read whole."""
        numbers = self.numbers
        for _ in range(100):
            sequence = numbers[SlotField.SEQUENCE]
            data = bytes(self.batch[: int(numbers[SlotField.BATCH])])
            held = HeldDeliveries(
                [],
                int(numbers[SlotField.POSITION]),
                numbers[SlotField.SINCE],
                numbers[SlotField.READ] > numbers[SlotField.POSITION],
                numbers[SlotField.RETURNED] > numbers[SlotField.POSITION],
            )
            if sequence % 2 == 0 and numbers[SlotField.SEQUENCE] == sequence:
                held.batch = pickle.loads(data) if data else []
                return held
        return HeldDeliveries()  # its worker was killed while it wrote: nothing had started


class Slots:
    """The slots of a cluster."""

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
        """Workers that wait for a task."""
        return sum(slot.numbers[SlotField.STATE] == WorkerState.IDLE for slot in self.slots)

    @property
    def finished(self) -> int:
        """Deliveries finished by all workers."""
        return sum(slot.finished for slot in self.slots)


class TimerSlotAdapter:
    """The face of a Slot over the ``multiprocessing.Value`` that Django Q's workers take.

    Its value: -1 idle, 0 timed out, -2 recycled, otherwise the seconds that the task may run.
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
        """Nothing to write down."""

    def truncate_batch(self, count: int) -> None:
        """Nothing to forget."""

    def begin_reading(self, position: int, now: float, limit: float | None) -> None:
        """Nobody looks before the task has begun."""

    def start_task(self, position: int, now: float, limit: float | None) -> None:
        """Set the time limit."""
        self.timer.value = limit or -1

    def note_task_success(self, position: int) -> None:
        """Nobody asks."""

    def finish_batch(self, count: int, state: WorkerState = WorkerState.IDLE) -> None:
        """Set the timer back."""
        self.state = state

    def end_worker(self, state: WorkerState, until: float) -> None:
        """Set how the worker ends."""
        self.state = state

    def set_label(self, text: str) -> None:
        """No place for it."""
