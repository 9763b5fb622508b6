"""A cluster reads the notices of its queue before it runs what it has taken since."""

from __future__ import annotations

import time
from threading import Event
from typing import Any

import pytest

from django_q.brokers.memory import Memory
from django_q.processes.pusher import pusher, pusher_of_cluster
from django_q.processes.pushing import notice_reader
from django_q.processes.pushing.notice_reader import NoticeReader
from django_q.processes.shared_state.bell import Bell
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.shared_state.slot import Slots, WorkerState
from django_q.queues import Queue
from django_q.task_state.cancellation import sign_notice

TEXT = "cancelled by anna at 2026-01-02 03:04:05 UTC"


class CountingMemory(Memory):
    """A queue in memory that counts what it is asked about notices."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.reads = self.questions = 0
        self.reads_before_take: list[int] = []

    def notices(self) -> Any:
        self.reads += 1
        return super().notices()

    def take(self, limit: int) -> list:
        self.reads_before_take.append(self.reads)
        return super().take(limit)

    def notices_version(self) -> int:
        self.questions += 1
        return super().notices_version()


@pytest.fixture
def broker(make_broker):
    make_broker("memory")
    return CountingMemory()


@pytest.fixture
def table():
    return OrderTable()


def post(broker: Any, key: str = "task:a") -> None:
    """Post an order."""
    broker.post_notice(key, sign_notice(broker.list_key, key, "anna", 1767323045.9))


def texts(table: OrderTable) -> dict[str, str]:
    """Tell what workers read."""
    return {key: text for key, (_, text) in table.read().items()}


def push_once(broker: Any, table: OrderTable | None) -> Queue:
    """Let a pusher take what there is. Returns the task queue."""
    stopped, task_queue = Event(), Queue()
    stopped.set()
    pusher(task_queue, stopped, broker, None, table)
    return task_queue


def test_notices_are_read_before_the_first_take(broker, table):
    post(broker)

    push_once(broker, table)

    assert texts(table) == {"task:a": TEXT}
    assert broker.reads_before_take == [1]


def test_they_are_in_the_table_before_what_was_taken_is_in_the_task_queue(broker, table):
    broker.enqueue("payload")

    class SlowQueue:
        """A task queue that looks at the table when a task is put into it."""

        def qsize(self) -> int:
            return 0

        def put(self, job: Any) -> None:
            seen.append((job[1], texts(table)))

    class Late(CountingMemory):
        """A queue for which an order comes just before a take."""

        def take(self, limit: int) -> list:
            post(self)
            return super().take(limit)

    seen: list[Any] = []
    stopped = Event()
    stopped.set()
    pusher(SlowQueue(), stopped, Late(broker.list_key), None, table)

    assert seen == [("payload", {"task:a": TEXT})]


def test_they_are_read_again_only_when_a_take_shows_that_they_have_changed(broker, table):
    reader = NoticeReader(broker, table)
    reader.start()
    for _ in range(3):
        broker.enqueue("payload")
        broker.dequeue(1, 0)
        reader.heed(broker.seen_notices_version)
        reader.start()
    assert (broker.reads, broker.questions, table.version) == (1, 0, 1)

    post(broker)
    broker.dequeue(1, 0)
    reader.heed(broker.seen_notices_version)

    assert (broker.reads, broker.questions, texts(table)) == (2, 0, {"task:a": TEXT})


def test_while_nothing_is_taken_the_broker_is_asked_every_half_second_at_most(
    broker, table, monkeypatch
):
    class Clock:
        """A clock that the test sets."""

        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(notice_reader, "time", clock)
    reader = NoticeReader(broker, table)
    reader.start()
    for step in range(100):
        clock.now = 100 + step * 0.01
        reader.check()
    assert broker.questions == 2
    post(broker)

    clock.now += 0.5
    reader.check()

    assert texts(table) == {"task:a": TEXT}


def test_a_full_cluster_hears_of_a_notice(broker, table):
    class Full:
        """The limit of a cluster all of whose workers are busy."""

        workers = 1

        def limit(self, waiting: int) -> int:
            return 0

        def is_overfull(self, waiting: int) -> bool:
            return False

        def is_in_use(self, waiting: int) -> bool:
            return True

        def poll_interval(self) -> float:
            return 60

    stop = EventThatIsSetBy(lambda: texts(table))
    post_when_waiting(stop, broker)

    pusher(Queue(), stop, broker, Full(), table)

    assert texts(table) == {"task:a": TEXT}


@pytest.mark.parametrize(("is_busy", "longest"), [(True, 0.5), (False, None)])
def test_a_cluster_that_waits_while_a_task_runs_takes_every_half_second(
    broker, table, is_busy, longest
):
    class Half:
        """The limit of a cluster with an idle worker."""

        workers = 2

        def limit(self, waiting: int) -> int:
            return 1

        def is_overfull(self, waiting: int) -> bool:
            return False

        def is_in_use(self, waiting: int) -> bool:
            return is_busy

    class Waiting(CountingMemory):
        """A queue that notes how long it may wait."""

        def dequeue(self, limit: int = 1, wait: float | None = None) -> list:
            waits.append(wait)
            return super().dequeue(limit, 0)

    waits: list[float | None] = []
    waiting = Waiting(broker.list_key)
    waiting.obeys = broker.obeys

    pusher(Queue(), EventThatIsSetBy(lambda: waits), waiting, Half(), table)

    assert waits == [longest]


class EventThatIsSetBy:
    """An event that is set as soon as a condition is true; it waits as long as it is told to."""

    def __init__(self, condition: Any) -> None:
        self.condition, self.waits, self.on_wait = condition, 0, lambda: None
        self.deadline = time.monotonic() + 60

    def is_set(self) -> bool:
        return bool(self.condition()) or time.monotonic() > self.deadline

    def wait(self, seconds: float) -> None:
        self.waits += 1
        self.on_wait()
        time.sleep(min(seconds, 0.02))


def post_when_waiting(event: EventThatIsSetBy, broker: Any) -> None:
    """Have an order posted when the pusher waits for the first time."""
    event.on_wait = lambda: event.waits > 1 or post(broker)


def test_a_notice_with_a_wrong_signature_is_ignored_and_said_once(broker, table, caplog):
    text = sign_notice(broker.list_key, "task:a", "anna", 1.0)
    broker.post_notice("queue", text)  # it was signed for a task
    broker.post_notice("group:g", "nonsense")
    post(broker)
    reader = NoticeReader(broker, table)

    reader.read()
    post(broker, "task:b")
    reader.read()

    assert texts(table) == {"task:a": TEXT, "task:b": TEXT}
    ignored = [each.getMessage() for each in caplog.records if "is ignored" in each.getMessage()]
    assert [each.split(" of the queue")[0] for each in ignored] == [
        "the notice queue",
        "the notice group:g",
    ]


def test_what_was_withdrawn_is_gone_from_the_table(broker, table):
    post(broker)
    reader = NoticeReader(broker, table)
    reader.start()

    broker.withdraw_notices(["task:a"])
    broker.dequeue(1, 0)
    reader.heed(broker.seen_notices_version)

    assert texts(table) == {}


def test_a_new_pusher_writes_what_is_true_now(broker, table):
    table.write({"task:old": (1.0, "cancelled")})

    push_once(broker, table)

    assert table.read() == {}


def test_after_a_failure_the_notices_are_read_again(broker, table, monkeypatch):
    class Failing(CountingMemory):
        """A queue that fails once, and has lost its notices then."""

        failures = 1

        def take(self, limit: int) -> list:
            if self.failures:
                self.failures -= 1
                self.withdraw_notices(["task:a"])
                with self.queue() as queue:
                    queue.orders.version = 1  # as before
                raise ConnectionError("gone")
            return super().take(limit)

    post(broker)
    failing = Failing(broker.list_key)
    stop = EventThatIsSetBy(lambda: failing.reads > 1 and not failing.failures)

    pusher(Queue(), stop, failing, None, table)

    assert table.read() == {}
    assert time.monotonic() < stop.deadline


def test_what_was_taken_is_put_into_the_task_queue_though_notices_can_not_be_read(broker, table):
    class Unreadable(CountingMemory):
        """A queue whose notices can be read once only."""

        def take(self, limit: int) -> list:
            post(self)
            return super().take(limit)

        def notices(self) -> Any:
            if self.reads:
                raise ConnectionError("gone")
            return super().notices()

    broker.enqueue("payload")

    task_queue = push_once(Unreadable(broker.list_key), table)

    assert [job[1] for job in task_queue.get_many()] == ["payload"]


def test_without_a_table_and_from_a_broker_that_obeys_nothing_nothing_is_asked(broker, table):
    post(broker)
    push_once(broker, None)
    broker.obeys = frozenset()
    push_once(broker, table)

    assert (broker.reads, broker.questions, table.version) == (0, 0, 0)
    assert NoticeReader(broker, table).poll_interval == float("inf")


def test_the_pusher_of_a_cluster_takes_under_the_id_of_its_heartbeats(broker):
    broker.enqueue("payload")
    broker.pause("the id")
    stopped, task_queue = Event(), Queue()
    stopped.set()

    slots = Slots(1)
    slots[0].state = WorkerState.IDLE

    sizes = []
    for cluster_id in ("the id", "another"):
        pusher_of_cluster(
            *(task_queue, stopped, slots, Queue(), OrderTable(), cluster_id, Bell(), Memory())
        )
        sizes.append(task_queue.qsize())

    assert sizes == [0, 1]
