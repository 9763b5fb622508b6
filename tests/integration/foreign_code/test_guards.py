"""Hooks, receivers, reporters and values of others, in one process: nothing they raise goes far."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from django.db.models.signals import post_save

from django_q import signals
from django_q.brokers import get_broker
from django_q.conf import error_reporter
from django_q.exceptions import TimeoutException
from django_q.foreign_code.error_reporting import ErrorReporter
from django_q.foreign_code.guards import CurrentForeignCall, send_signal_safely
from django_q.hooks import call_hook
from django_q.models import Failure, Success, Task
from django_q.tasks import async_chain, async_task, fetch, result
from django_q.text.error_text import safe_repr
from tests.foreign import NAMES, WORST, note

EACH = pytest.mark.parametrize("name", NAMES)


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receive() -> Iterator:
    """Connect a receiver that raises, until the test is over."""
    connected = []

    def connect(signal, error):
        calls = []

        def receiver(**kwargs):
            calls.append(kwargs)
            raise error

        signal.connect(receiver)
        connected.append((signal, receiver))
        return calls

    yield connect
    for signal, receiver in connected:
        signal.disconnect(receiver)


@pytest.fixture
def remember() -> Iterator:
    """Have the process know of one that has ended over a task: ``remember(task_id, what)``."""
    yield lambda task_id, what: CurrentForeignCall.crash_causes.update({task_id: what})
    CurrentForeignCall.crash_causes.clear()


@EACH
@pytest.mark.parametrize("hook", ["hook_that_raises", "async_hook_that_raises"])
def test_whatever_a_hook_raises_its_task_is_a_success(broker, run_once, caplog, name, hook):
    task_id = async_task("tests.tasks.echo", name, hook=f"tests.foreign.{hook}")

    run_once(broker)

    assert fetch(task_id).success
    assert f"return hook tests.foreign.{hook} failed on [{fetch(task_id).name}]" in caplog.text
    assert broker.queue_size() == broker.lock_size() == 0


@EACH
@pytest.mark.parametrize("signal", ["post_execute_in_worker", "post_execute"])
def test_whatever_a_receiver_raises_a_success_stays_one(
    broker, run_once, caplog, receive, name, signal
):
    receive(getattr(signals, signal), WORST[name]("as asked"))
    after = receive(getattr(signals, signal), ValueError)
    task_id = async_task("math.copysign", 2, -2)

    run_once(broker)

    assert result(task_id) == -2
    assert "receiver tests.integration.foreign_code.test_guards.receive.<locals>" in caplog.text
    assert f"of {signal} failed on [{fetch(task_id).name}] because" in caplog.text
    assert len(after) == 1  # it was called all the same
    assert broker.lock_size() == 0


@EACH
def test_whatever_a_receiver_raises_before_a_task_is_a_failure(broker, run_once, receive, name):
    receive(signals.pre_execute, WORST[name]("as asked"))
    task_id = async_task("math.copysign", 2, -2)

    run_once(broker)

    assert fetch(task_id).success is False
    assert name in fetch(task_id).result
    assert broker.lock_size() == 0


@EACH
def test_whatever_a_receiver_of_a_row_raises_the_row_is_saved(broker, run_all, receive, name):
    receive(post_save, WORST[name]("as asked"))
    ids = [async_task("math.copysign", 2, -2) for _ in range(3)]

    run_all(broker)

    assert Success.objects.filter(id__in=ids).count() == 3
    assert broker.lock_size() == 0


@EACH
def test_whatever_a_receiver_of_a_link_raises_the_link_has_failed(
    broker, run_all, receive, monkeypatch, name
):
    group = async_chain(["math.tau.hex", ("math.copysign", (1, 2))])
    receive(signals.pre_enqueue, WORST[name]("as asked"))

    run_all(broker)

    assert Task.objects.filter(group=group).count() == 2
    failed = Failure.objects.get(group=group, func="math.copysign")
    assert name in failed.result
    assert broker.lock_size() == 0


@EACH
def test_whatever_ready_receivers_of_a_new_worker_raise_it_works(broker, run_once, receive, name):
    receive(signals.post_spawn, WORST[name]("as asked"))
    task_id = async_task("math.copysign", 2, -2)

    run_once(broker)

    assert result(task_id) == -2


@EACH
def test_whatever_a_reporter_raises_a_failure_is_saved(broker, run_once, caplog, monkeypatch, name):
    class Reporter:
        def report(self):
            raise WORST[name]("as asked")

    monkeypatch.setattr(error_reporter, "loaded", ErrorReporter([Reporter()]))
    task_id = async_task("tests.tasks.raise_error")

    run_once(broker)

    assert fetch(task_id).result.startswith("ValueError('as asked')")
    assert f"error reporter Reporter failed on [{fetch(task_id).name}]" in caplog.text


@pytest.mark.parametrize("running", [False, True])
def test_coroutine_hooks_and_receivers_are_awaited_inside_a_loop_too(tmp_path, running):
    path = tmp_path / "words"

    async def receiver(task, **kwargs):
        await asyncio.sleep(0)
        note(str(path), "received")

    task = Task(id="x", name="name", args=(str(path),))

    def both():
        call_hook("tests.foreign.async_hook", task)
        send_signal_safely(signals.post_execute, "post_execute", sender=signals.SENDER, task={})

    async def inside():
        both()

    signals.post_execute.connect(receiver)
    try:
        asyncio.run(inside()) if running else both()
    finally:
        signals.post_execute.disconnect(receiver)

    assert path.read_text().split() == ["awaited", "received"]


def test_a_coroutine_hook_sees_the_transaction_of_a_task_that_runs_at_once(tmp_path):
    task_id = async_task("tests.tasks.multiply", 2, 3, hook=find_row, sync=True)

    assert [task_id] == SEEN


SEEN: list[str] = []


async def find_row(task):
    """As a hook, find the row of the task."""
    SEEN[:] = [(await Task.objects.aget(id=task.id)).id]


# In the process of a user


def test_a_ctrl_c_in_a_task_that_runs_at_once_reaches_its_caller_and_the_row():
    with pytest.raises(KeyboardInterrupt):
        async_task("tests.foreign.raise_worst", "KeyboardInterrupt", sync=True)

    assert Failure.objects.get().result.startswith("KeyboardInterrupt")


@pytest.mark.parametrize("signal", ["post_execute_in_worker", "post_execute"])
def test_a_ctrl_c_in_a_receiver_reaches_the_caller_when_all_is_saved(receive, signal):
    receive(getattr(signals, signal), KeyboardInterrupt())
    after = receive(getattr(signals, signal), ValueError())

    with pytest.raises(KeyboardInterrupt):
        async_task("math.copysign", 2, -2, sync=True)

    assert Success.objects.get().result == -2
    assert len(after) == 1


def test_a_ctrl_c_in_a_hook_reaches_the_caller():
    hook = "tests.foreign.hook_that_raises"

    with pytest.raises(KeyboardInterrupt):
        async_task("tests.tasks.echo", "KeyboardInterrupt", hook=hook, sync=True)

    assert Success.objects.count() == 1


@pytest.mark.parametrize("name", ["SystemExit", "CancelledError", "GeneratorExit"])
def test_nothing_else_does(name):
    hook = "tests.foreign.hook_that_raises"

    async_task("tests.tasks.echo", name, hook=hook, sync=True)
    async_task("tests.foreign.raise_worst", name, sync=True)

    assert (Success.objects.count(), Failure.objects.count()) == (1, 1)


def test_the_time_limit_of_a_task_passes_through_one_that_it_runs_at_once():
    error = TimeoutException("limit")
    error.ends_task = True

    with pytest.raises(TimeoutException):
        async_task(raising(error), sync=True)

    assert Failure.objects.count() == 1


class raising:
    """A function that raises an exception as it is."""

    kept: dict[int, BaseException] = {}

    def __init__(self, error):
        self.key = id(error)
        self.kept[self.key] = error

    def __call__(self):
        raise self.kept[self.key]


def test_the_time_limit_of_a_task_passes_through_each_door():
    class Slow:
        def __repr__(self):
            error = TimeoutException("limit")
            error.ends_task = True
            raise error

    with pytest.raises(TimeoutException):
        safe_repr(Slow())


def test_a_task_whose_hook_has_ended_a_process_is_acknowledged_before_it(
    broker, run_once, remember
):
    task_id = async_task("tests.tasks.nothing", hook=see_leases)
    remember(task_id, f"return hook {__name__}.see_leases")

    run_once(broker)

    assert SIZES == [0]


SIZES: list[int] = []


def see_leases(task):
    """As a hook, count what is leased."""
    SIZES[:] = [get_broker().lock_size()]


def test_a_receiver_that_has_ended_a_process_is_not_told_again(broker, run_once, receive, remember):
    calls = receive(post_save, ValueError)
    task_id = async_task("tests.tasks.nothing")
    remember(task_id, "the receivers of the signals of Task")

    run_once(broker)

    assert calls == []
    assert fetch(task_id).success
