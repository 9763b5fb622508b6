"""A cancel against what a cluster does with the task at the same time."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from django_q.brokers import get_broker
from django_q.completion.orphans import recover
from django_q.models import Task
from django_q.processes.monitor import monitor
from django_q.processes.pusher import pusher
from django_q.processes.shared_state.order_table import OrderTable
from django_q.processes.shared_state.orphan_queue import OrphanQueue
from django_q.processes.shared_state.slot import Slots
from django_q.processes.worker import worker
from django_q.queues import STOP, Queue
from django_q.tasks import REMOVED, REQUESTED, async_chain, async_iter, async_task, cancel, fetch
from tests.integration.orders.given import notices_of
from tests.tasks import hooked

pytestmark = pytest.mark.django_db(transaction=True)

CANCELLED = "django_q.exceptions.TaskCancelled"


class StepwiseCluster:
    """A cluster in this process, whose steps a test calls."""

    def __init__(self, broker: Any) -> None:
        self.broker, self.table = broker, OrderTable()
        self.task_queue, self.result_queue = Queue(), Queue()

    def take(self) -> None:
        """Let the pusher take what there is, and read notices."""
        stopped = Event()
        stopped.set()
        pusher(self.task_queue, stopped, self.broker, None, self.table)

    def work(self, table: OrderTable | None = None) -> None:
        """Let a worker do what was taken; without a table it is told of no notices."""
        self.task_queue.put(STOP)
        worker(self.task_queue, self.result_queue, Slots(1)[0], None, table)

    def complete(self) -> None:
        """Let the monitor complete what was done."""
        self.result_queue.put(STOP)
        monitor(self.result_queue, self.broker, self.table)

    def run(self) -> None:
        """Do all that for what can be taken now."""
        while self.broker.queue_size():
            self.take()
            self.work(self.table)
            self.complete()

    def stop(self) -> None:
        """Release what was taken and not begun."""
        orphans = OrphanQueue(self.result_queue)
        orphans.drain(self.task_queue)
        orphans.send_to_monitor()
        while not self.result_queue.empty():
            recover(self.result_queue.get(), self.broker)


@pytest.fixture
def cluster(queue):
    return StepwiseCluster(queue)


@pytest.fixture
def runs(tmp_path) -> Callable[[], int]:
    """Tell how often the tasks of ``trace`` have run."""
    (tmp_path / "runs").touch()
    return lambda: len((tmp_path / "runs").read_text().split())


@pytest.fixture
def call(tmp_path) -> tuple:
    """Give a call that leaves a trace."""
    return ("tests.tasks.trace", (str(tmp_path / "runs"), 1, 0))


def send(call: tuple, track: bool = True, **options: Any) -> str:
    """Enqueue a call that leaves a trace."""
    func, args = call
    return async_task(func, *args, q_options={"track": track, **options} if track else options)


def assert_cancelled(task_id: str, by: str = "anna") -> None:
    """Check that a task has ended as a failure that says who has cancelled it."""
    task = fetch(task_id)
    assert (task.success, task.exception) == (False, CANCELLED)
    assert f"cancelled by {by}" in task.result


def test_a_task_that_is_cancelled_before_it_is_taken_is_not_run(cluster, call, runs):
    task_id = send(call)

    assert cancel(task_id, by="anna") == REMOVED
    cluster.run()

    assert runs() == 0
    assert_cancelled(task_id)


@pytest.mark.parametrize("track", [True, False])
def test_a_task_that_is_cancelled_between_take_and_start_is_not_run(cluster, call, runs, track):
    task_id = send(call, track)
    cluster.take()

    cancel(task_id, by="anna")
    cluster.take()  # takes nothing, and reads the notices
    cluster.work(cluster.table)
    cluster.complete()

    assert runs() == 0
    assert_cancelled(task_id)
    assert notices_of(cluster.broker) == {}


@pytest.mark.parametrize("track", [True, False])
def test_a_task_that_its_cluster_releases_at_its_stop_is_cancelled_by_the_next(
    cluster, queue, call, runs, track
):
    task_id = send(call, track)
    cluster.take()

    cancel(task_id, by="anna")
    cluster.stop()
    StepwiseCluster(queue).run()

    assert runs() == 0
    assert_cancelled(task_id)


def test_a_plain_task_that_waits_is_cancelled_when_it_is_taken(cluster, call, runs):
    task_id = send(call, track=False)

    cancel(task_id, by="anna")
    cluster.run()

    assert runs() == 0
    assert_cancelled(task_id)


def test_a_task_that_waits_to_be_tried_again_ends_at_once(cluster):
    options = {"track": True, "retries": 5, "retry_delay": 1000}
    task_id = async_task("tests.tasks.raise_error", q_options=options)
    cluster.run()
    assert fetch(task_id) is None

    assert cancel(task_id, by="anna") == REMOVED
    cluster.run()

    assert_cancelled(task_id)
    assert cluster.broker.lock_size() == 0


def test_a_task_that_fails_while_it_is_being_cancelled_is_not_tried_again(cluster):
    options = {"track": True, "retries": 5, "retry_delay": 1000}
    task_id = async_task("tests.tasks.raise_error", q_options=options)
    cluster.take()

    assert cancel(task_id, by="anna") == REQUESTED
    cluster.work()  # its worker did not hear of it
    cluster.complete()
    cluster.run()

    assert_cancelled(task_id)
    assert notices_of(cluster.broker) == {}


def test_a_task_that_succeeds_while_it_is_being_cancelled_has_succeeded(cluster, call, runs):
    task_id = send(call)
    cluster.take()

    assert cancel(task_id, by="anna") == REQUESTED
    cluster.work()
    cluster.take()  # reads the notices
    cluster.complete()

    assert runs() == 1
    assert fetch(task_id).success
    assert notices_of(cluster.broker) == {}


@pytest.mark.parametrize("order", [{"group": "g"}, {"queue": None}])
def test_an_order_for_many_hits_what_was_enqueued_before_and_nothing_after(
    cluster, queue, call, runs, order
):
    if "queue" in order:
        order = {"queue": queue.list_key.removeprefix("django_q:").removesuffix(":q")}
    before = [send(call, track, group="g") for track in (True, False)]

    assert cancel(by="anna", **order) == REQUESTED
    after = [send(call, track, group="g") for track in (True, False)]
    cluster.run()

    for task_id in before:
        assert_cancelled(task_id)
    assert [fetch(task_id).success for task_id in after] == [True, True]
    assert runs() == 2


def test_a_link_that_is_enqueued_after_the_cancel_of_its_chains_group_is_not_run(
    cluster, call, runs
):
    async_chain([call, call, call], group="g")
    cluster.take()

    cancel(group="g", by="anna")
    cluster.work()  # the first link runs on, as its worker did not hear of it
    cluster.complete()
    assert runs() == 1
    cluster.run()

    assert runs() == 1
    first, second = Task.objects.filter(group="g").order_by("started")
    assert first.success
    assert_cancelled(second.id)


def test_a_chain_that_continues_on_failure_is_cancelled_link_by_link(cluster, call, runs):
    async_chain([call, call, call], group="g", continue_on_failure=True)

    cancel(group="g", by="anna")
    cluster.run()

    assert runs() == 0
    assert [task.exception for task in Task.objects.filter(group="g")] == [CANCELLED] * 3


def test_an_iterable_that_is_cancelled_has_its_end_as_well(cluster):
    task_id = async_iter("tests.tasks.multiply", [(1, 2), (3, 4)], group="g")

    cancel(group="g", by="anna")
    cluster.run()

    task = fetch(task_id)
    assert not task.success
    assert ["cancelled by anna" in each for each in task.result] == [True, True]


def test_the_hook_of_a_cancelled_task_is_called(cluster, call):
    hooked.clear()
    task_id = send(call, hook="tests.tasks.hook")

    cancel(task_id, by="anna")
    cluster.run()

    assert [task.id for task in hooked] == [task_id]


@pytest.mark.parametrize("options", [{"max_attempts": 5}, {"ack_failure": False}])
def test_a_cancelled_task_is_not_delivered_again_whatever_its_options(cluster, call, options):
    task_id = send(call, **options)

    cancel(task_id, by="anna")
    cluster.run()

    assert_cancelled(task_id)
    assert cluster.broker.queue_size() == cluster.broker.lock_size() == 0


def test_a_queue_that_is_paused_gives_its_cancelled_tasks_all_the_same(cluster, queue, call, runs):
    task_id = send(call)
    queue.pause()

    cancel(task_id, by="anna")
    cluster.take()
    cluster.work(cluster.table)
    cluster.complete()

    assert_cancelled(task_id)


def test_while_a_queue_is_held_the_pusher_goes_round_as_seldom_as_with_an_empty_one(
    cluster, queue, call
):
    class CountingBroker(type(queue)):
        """A broker that counts how often it is asked for tasks."""

        obeys, serves = type(queue).obeys, type(queue).serves
        rounds = 0

        def dequeue(self, limit: int = 1, wait: float | None = None) -> list:
            self.rounds += 1
            if self.rounds == 4:
                stopped.set()
            waits.append(wait)
            deliveries = super().dequeue(limit, 0.1)
            held.append(self.is_held)
            return deliveries

    for _ in range(5):
        send(call)
    queue.pause()
    broker, stopped = CountingBroker(get_broker().list_key), Event()
    waits: list[float | None] = []
    held: list[bool] = []

    pusher(cluster.task_queue, stopped, broker, None, cluster.table)

    assert cluster.task_queue.qsize() == 0
    assert held == [True] * 4
    assert waits[:3] == [None] * 3  # it left it to the broker how long to wait
