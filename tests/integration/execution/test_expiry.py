"""A task that was not begun before its option ``expires`` ended is not run."""

from __future__ import annotations

import math
import time
from multiprocessing import Value

import pytest
from django.utils import timezone

from django_q import signals
from django_q.brokers.terms import Terms
from django_q.execution.expiry import end_as_expired
from django_q.models import Task
from django_q.processes.worker import read_job, worker
from django_q.queues import STOP, Queue
from django_q.signing import SignedPackage
from django_q.tasks import async_task
from django_q.wire.package import new_package
from tests.tasks import hook, hooked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker(make_broker):
    hooked.clear()
    return make_broker("memory")


def send(broker, expires_in=-2.5, func="tests.tasks.multiply", **options):
    """Enqueue a task that must begin within so many seconds. Returns its id."""
    package = new_package(func, (2, 3), {}, options)
    payload = SignedPackage.dumps(package)
    broker.enqueue_task(payload, Terms(package["id"], expires_in=expires_in))
    return package["id"]


def test_it_ends_as_a_failure_that_says_since_when(broker, run_once):
    task_id = send(broker)

    run_once(broker)

    task = Task.objects.get(id=task_id)
    assert (task.success, task.exception) == (False, "django_q.exceptions.Expired")
    assert task.result.startswith("Expired('It had to begin before 20")
    assert "0:00:02.5" in task.result
    assert (task.attempt_count, task.begun, task.worker) == (0, None, None)
    assert broker.queue_size() == broker.lock_size() == broker.dead_size() == 0


@pytest.mark.parametrize("expires_in", [None, 60])
def test_a_task_whose_time_is_not_over_is_run(broker, run_once, expires_in):
    task_id = send(broker, expires_in)

    run_once(broker)

    task = Task.objects.get(id=task_id)
    assert (task.success, task.result, task.attempt_count) == (True, 6, 1)


def test_what_was_asked_for_is_in_the_text():
    package = {"id": "a" * 32, "name": "late", "func": "a.b", "expired": 1.0, "expires": 30}

    end_as_expired(package)

    assert "(expires=30)" in package["result"]


def test_its_hook_is_called_and_the_next_link_goes_on_if_that_was_asked_for(broker, run_all):
    chain = [("tests.tasks.multiply", (4, 5))]
    options = {"chain_options": {"continue_on_failure": True}}
    send(broker, hook=hook, chain=chain, **options)
    send(broker, chain=[("tests.tasks.multiply", (6, 7))])

    run_all(broker)

    assert [task.exception for task in hooked] == ["django_q.exceptions.Expired"]
    assert hooked[0].attempt_count == 0
    assert sorted(Task.objects.filter(success=True).values_list("result", flat=True)) == [20]


def test_an_item_ends_its_iterable(broker, run_all):
    parts = {"iter_count": 2, "group": "f" * 32}
    send(broker, iter_position=0, **parts)
    send(broker, 60, iter_position=1, **parts)

    run_all(broker)

    whole = Task.objects.get(id="f" * 32)
    assert (whole.success, whole.exception) == (False, "django_q.exceptions.ItemFailed")
    assert whole.result[0].startswith("Expired(")
    assert whole.result[1] == 6


@pytest.mark.parametrize("options", [{"max_attempts": 5}, {"ack_failure": False}])
def test_it_is_not_delivered_again(broker, run_once, options):
    send(broker, **options)

    run_once(broker)

    assert Task.objects.get().exception == "django_q.exceptions.Expired"
    assert broker.queue_size() == broker.lock_size() == 0


def test_attempts_before_it_expired_are_counted(broker, run_once):
    send(broker)
    (delivery,) = broker.dequeue(wait=0)
    broker.release([delivery.ack_id])

    run_once(broker)

    assert Task.objects.get().attempt_count == 1


def test_what_has_succeeded_before_stays_a_success(broker, run_once):
    task_id = send(broker, hook=hook)
    now = timezone.now()
    Task.objects.create(
        id=task_id, name="n", func="f", success=True, result=6, started=now, stopped=now,
        attempt_count=1,
    )  # fmt: skip
    (delivery,) = broker.dequeue(wait=0)
    broker.release([delivery.ack_id])

    run_once(broker)

    assert Task.objects.get(id=task_id).success
    assert [task.success for task in hooked] == [True]


def test_receivers_are_told_of_its_end_and_of_no_beginning(broker, run_once):
    sent: list = []
    receivers = {
        name: lambda task, name=name, **kwargs: sent.append((name, task["success"]))
        for name in ("pre_execute", "post_execute_in_worker", "post_execute")
    }
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    send(broker)

    try:
        run_once(broker)
    finally:
        for name, receiver in receivers.items():
            getattr(signals, name).disconnect(receiver)

    assert sent == [("post_execute", False)]


@pytest.mark.parametrize("more", [(), (None,), (math.inf,)])
def test_a_job_with_or_without_the_time_is_run(broker, more):
    task_queue, result_queue = Queue(), Queue()
    payload = SignedPackage.dumps(new_package("tests.tasks.multiply", (2, 3), {}, {}))
    task_queue.put(("1", payload, 1, math.inf, *more))
    task_queue.put(STOP)

    worker(task_queue, result_queue, Value("d", -1))

    assert result_queue.get(timeout=5)["success"]


def test_a_job_says_for_how_long_its_time_has_been_over():
    payload = SignedPackage.dumps(new_package("tests.tasks.multiply", (2, 3), {}, {}))
    now = time.monotonic()

    assert read_job(("1", payload, 1, math.inf, now - 2), now)["expired"] == pytest.approx(2)
    assert "expired" not in read_job(("1", payload, 1, math.inf, now + 2), now)


def test_a_package_can_not_say_itself_that_it_has_expired(broker, run_once):
    package = new_package("tests.tasks.multiply", (2, 3), {}, {})
    broker.enqueue(SignedPackage.dumps({**package, "expired": 5.0, "exception": "x"}))

    run_once(broker)

    assert Task.objects.get().success


def test_a_plain_task_is_as_it_was(broker, run_once):
    async_task("tests.tasks.multiply", 2, 3, broker=broker)

    run_once(broker)

    assert (Task.objects.get().attempt_count, Task.objects.get().options) == (1, None)
