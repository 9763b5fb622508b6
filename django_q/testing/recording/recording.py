"""What a test has of tasks: its queues, its clock, and the list of all that was enqueued."""

from __future__ import annotations

from django_q.brokers.memory.queue import MemoryQueue
from django_q.brokers.other_queues import queue_label
from django_q.exceptions import DjangoQError
from django_q.testing.recording.clock import Clock
from django_q.testing.recording.enqueued_task import EnqueuedTask, read_payload


class RecordedQueues(dict[str, MemoryQueue]):
    """The queues of a test, by name; all have its clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def setdefault(self, name: str, default: MemoryQueue | None = None) -> MemoryQueue:
        """Return the queue of a name, which is made where there is none."""
        if name not in self:
            self[name] = MemoryQueue(now=self.clock.time)
        return self[name]


class Recording:
    """The state of one ``with enqueued()`` block. It shares nothing with another."""

    #: That of the innermost block which is open.
    current: Recording | None = None

    def __init__(self, tasks: list[EnqueuedTask], clock: Clock) -> None:
        self.tasks = tasks
        self.clock = clock
        self.queues = RecordedQueues(clock)
        self.heartbeats: dict[str, tuple[str, float]] = {}
        self.by_id: dict[str, EnqueuedTask] = {}
        self.is_draining = False

    def note(self, payload: str | bytes, list_key: str) -> None:
        """Note a payload that was put into a queue, in the place of another one of its id."""
        task = read_payload(payload, queue_label(list_key), self.clock.time())
        if task is None:
            return
        if before := self.by_id.get(task.id):
            self.tasks[self.tasks.index(before)] = task
        else:
            self.tasks.append(task)
        self.by_id[task.id] = task


def current_recording() -> Recording:
    """Return the recording of the innermost block. Raises ``DjangoQError`` outside of any."""
    if Recording.current is None:
        raise DjangoQError(
            "No tasks are recorded here. Call it inside of `with enqueued() as tasks:`, or ask the "
            "list: tasks.assert_enqueued(...)."
        )
    return Recording.current
