"""``Q_CLUSTER["functions"]``: what may run, and how everything else is refused."""

from __future__ import annotations

import functools
import os
from datetime import timedelta
from types import MethodType
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from django_q.checks import examine
from django_q.exceptions import FunctionRefused
from django_q.models import Failure, Schedule, Success, Task
from django_q.scheduling.due_schedules import DueSchedules
from django_q.signing import SignedPackage
from django_q.tasks import (
    AsyncTask,
    async_batch,
    async_chain,
    async_iter,
    async_task,
    fetch,
    result,
    schedule,
)
from django_q.wire.allowed_functions import is_below, is_listed
from django_q.wire.package import new_package
from tests import tasks

pytestmark = pytest.mark.django_db(transaction=True)

ALLOWED = ["tests.tasks.*", "math.floor"]


@pytest.fixture(autouse=True)
def _functions(conf):
    conf(functions=ALLOWED)


class Liar:
    """Says that it is a function of another module."""

    __module__ = "tests.tasks"
    __qualname__ = "multiply"  # type: ignore

    def __call__(self, *args: Any) -> str:
        return "ran"


def liar() -> Any:
    """Make an object that says that it is a function."""
    made = functools.partial(os.getcwd)
    made.__module__, made.__qualname__ = "tests.tasks", "multiply"  # type: ignore
    return made


#: What is not allowed, although some of it looks as if it were.
REFUSED = {
    "a function": "os.getcwd",
    "a builtin": "eval",
    "through a module that is allowed": "tests.tasks.os.getcwd",
    "a module that it imports": "tests.tasks.os",
    "its class": "tests.tasks.multiply.__class__",
    "the package itself": "tests.tasks",
    "another package with that beginning": "tests.tasks_of_others.run",
    "a function by reference": os.getcwd,
    "a partial of a function": functools.partial(os.getcwd),
    "an object that lies": Liar(),
    "a partial that lies": liar(),
    "a method of nothing": MethodType(os.system, "true"),
    "a method of a text": "text".upper,
    "a class": dict,
}


#: Those of them that pickle carries in another form.
UNSENDABLE = ("an object that lies", "a method of nothing")


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_listed_is_refused_at_the_call(broker, kind):
    func = REFUSED[kind]
    calls = [
        lambda: async_task(func, broker=broker),
        lambda: async_task(tasks.nothing, hook=func, broker=broker),
        lambda: async_task(tasks.nothing, q_options={"hook": func}, broker=broker),
        lambda: async_task(func, sync=True),
        lambda: async_batch([tasks.nothing, func], broker=broker),
        lambda: async_chain([tasks.nothing, func], broker=broker),
        lambda: async_chain([tasks.nothing, (tasks.nothing, (), {"hook": func})], broker=broker),
        lambda: async_task(tasks.nothing, chain=[func], broker=broker),
        lambda: async_iter(func, [1, 2], broker=broker),
        lambda: AsyncTask(func, broker=broker).run(),
    ]

    for call in calls:
        with pytest.raises(FunctionRefused, match="may not run"):
            call()

    assert broker.queue_size() == 0
    assert Task.objects.count() == 0


@pytest.mark.parametrize("serializer", ["pickle", "json"])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_listed_ends_as_a_failure_in_the_cluster(
    broker, run_once, conf, serializer, kind
):
    func = REFUSED[kind]
    if not isinstance(func, str) and (serializer == "json" or kind in UNSENDABLE):
        func = "tests.integration.wire.test_allowed_functions.Liar"
    conf(serializer=serializer)
    package = new_package(func, (), {}, {})
    broker.enqueue(SignedPackage.dumps(package))

    run_once(broker)

    task = Failure.objects.get(id=package["id"])
    assert "may not run, as Q_CLUSTER['functions'] does not list it" in task.result
    assert (broker.queue_size(), broker.lock_size(), broker.dead_size()) == (0, 0, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"hook": "tests.integration.wire.test_allowed_functions.note"},
        {"chain": ["tests.integration.wire.test_allowed_functions.note"]},
        {
            "chain": [
                ("math.floor", (1,), {"hook": "tests.integration.wire.test_allowed_functions.note"})
            ]
        },
        {"chain": ["os.getcwd"], "chain_options": {"continue_on_failure": True}},
    ],
)
def test_a_task_with_a_hook_or_a_link_that_is_not_listed_does_not_run(
    broker, run_all, options, tmp_path
):
    noted.clear()
    package = new_package("math.floor", (1.5,), {}, options)
    broker.enqueue(SignedPackage.dumps(package))

    run_all(broker)

    assert "may not run" in Failure.objects.get(id=package["id"]).result
    assert Success.objects.count() == 0
    assert noted == []


noted: list[Any] = []


def note(*args: Any) -> None:
    """Note that it was called."""
    noted.append(args)


def test_a_hook_that_a_receiver_adds_in_the_cluster_is_not_called(broker, run_once, caplog):
    from django_q.signals import pre_execute

    noted.clear()

    def add_hook(task: dict, **kwargs: Any) -> None:
        task["hook"] = "tests.integration.wire.test_allowed_functions.note"

    pre_execute.connect(add_hook)
    try:
        task_id = async_task("math.floor", 1.5, broker=broker)
        run_once(broker)
    finally:
        pre_execute.disconnect(add_hook)

    assert result(task_id) == 1
    assert noted == []
    assert "may not run" in caplog.text


def test_what_is_listed_runs(broker, run_all):
    tasks.hooked.clear()
    calculator = tasks.Calculator()
    ids = [
        async_task("math.floor", 1.5, broker=broker),
        async_task("tests.tasks.multiply", 2, 3, hook=tasks.hook, broker=broker),
        async_task(tasks.multiply, 2, 3, hook="tests.tasks.hook", broker=broker),
        async_task(functools.partial(tasks.multiply, 2), 3, broker=broker),
        async_iter(tasks.multiply, [(1, 6), (2, 3)], broker=broker),
    ]
    async_chain([tasks.nothing, ("math.floor", (7.5,))], group="g", broker=broker)

    run_all(broker)

    assert [result(task_id) for task_id in ids] == [1, 6, 6, 6, [6, 6]]
    assert Failure.objects.count() == 0
    assert len(tasks.hooked) == 2
    assert callable(calculator)


def test_a_name_that_is_listed_may_lead_elsewhere(broker, run_once, conf):
    conf(functions=["tests.tasks.os.getcwd"])

    task_id = async_task("tests.tasks.os.getcwd", broker=broker)
    run_once(broker)

    assert result(task_id) == os.getcwd()


def test_a_function_that_is_not_found_here_is_left_to_the_cluster(broker, run_once):
    task_id = async_task("tests.tasks.gone", broker=broker)

    run_once(broker)

    assert "AttributeError" in fetch(task_id).result


@pytest.mark.parametrize("nothing", [[], (), "math.floor", 5, {"math.floor": True}])
def test_nothing_runs_where_nothing_is_listed(conf, broker, nothing):
    conf(functions=nothing)

    with pytest.raises(FunctionRefused):
        async_task("math.floor", 1.5, broker=broker)


def test_everything_runs_where_there_is_no_list(conf, broker, run_once):
    conf(functions=None)

    task_id = async_task(os.getcwd, broker=broker)
    run_once(broker)

    assert result(task_id) == os.getcwd()


def test_a_pattern_stands_for_all_that_is_below():
    assert is_below("tests.tasks.multiply")
    assert is_below("tests.tasks.mails.send")
    assert not is_below("tests.tasks")
    assert not is_below("tests.tasksmultiply")
    assert is_listed("math.floor")
    assert not is_listed("math.ceil")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"func": "os.getcwd"}, "func"),
        ({"func": "tests.tasks.os.getcwd"}, "func"),
        ({"func": "math.floor", "hook": "os.getcwd"}, "hook"),
        ({"func": "math.floor", "kwargs": "q_options={'hook': 'os.getcwd'}"}, "kwargs"),
        ({"func": "math.floor", "kwargs": "hook='os.getcwd'"}, "kwargs"),
    ],
)
def test_a_schedule_of_what_is_not_listed_is_refused(values, field):
    for step in (Schedule.full_clean, Schedule.save):
        with pytest.raises(ValidationError) as raised:
            step(Schedule(**values))
        assert "may not run" in str(raised.value.message_dict[field])
    assert Schedule.objects.count() == 0


def test_schedule_refuses_what_is_not_listed():
    with pytest.raises(ValidationError, match="may not run"):
        schedule("os.getcwd")

    assert schedule("math.floor", 1.5).pk


def test_a_schedule_that_is_listed_no_more_is_stopped_and_can_be_paused(broker, conf):
    conf(functions=None)
    due = timezone.now() - timedelta(minutes=1)
    made = Schedule.objects.create(func="os.getcwd", schedule_type=Schedule.HOURLY, next_run=due)
    conf(functions=ALLOWED)

    made.pause()
    made.save(update_fields=["paused"])
    made.resume(due - timedelta(minutes=1))
    made.save(update_fields=["paused", "error", "claimed", "next_run", "anchor"])
    DueSchedules(broker).enqueue_due_runs(made, timezone.now())

    made.refresh_from_db()
    assert made.paused
    assert "may not run" in made.error
    assert broker.queue_size() == 0


def test_the_form_of_a_schedule_refuses_what_is_not_listed_and_names_what_is(admin_client):
    page = admin_client.get(reverse("admin:django_q_schedule_add")).content.decode()
    assert "tests.tasks.*, math.floor" in page

    data = {"func": "os.getcwd", "schedule_type": "O", "repeats": "1", "overlap": "allow",
            "next_run_0": "2030-01-01", "next_run_1": "10:00"}  # fmt: skip
    page = admin_client.post(reverse("admin:django_q_schedule_add"), data)

    assert "may not run" in page.content.decode()
    assert Schedule.objects.count() == 0


def test_a_failure_of_what_is_not_listed_is_not_resubmitted(admin_client, broker):
    now = timezone.now()
    task = Task.objects.create(id="a" * 32, name="n", func="os.getcwd", args=(), kwargs={},
                               started=now, stopped=now, success=False)  # fmt: skip
    page = reverse("admin:django_q_failure_changelist")

    answer = admin_client.post(
        page, {"action": "resubmit_task", "_selected_action": [task.pk]}, follow=True
    )

    assert "may not run" in answer.content.decode()
    assert Failure.objects.count() == 1


@pytest.mark.parametrize(
    ("functions", "found"),
    [
        (["math.floor", "tests.tasks.*"], []),
        ([], []),
        ("math.floor", ["E002"]),
        ({"math.floor": 1}, ["E002"]),
        ([5], ["E004"]),
        (["*"], ["E004"]),
        (["tests.*.x"], ["E004"]),
        (["tests.tasks.multi*"], ["E004"]),
        ([""], ["E004"]),
        (["math.flor"], ["W011"]),
        (["no_such_package.*"], ["W011"]),
    ],
)
def test_a_list_that_can_not_be_meant_is_a_check(functions, found):
    messages = examine({"functions": functions})

    assert [message.id.removeprefix("django_q.") for message in messages] == found
