"""Submitting a call once more from the row that it has left: exactly as it was, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from django_q.calls.resubmission import is_iterable_row, resubmit
from django_q.exceptions import PackageError
from django_q.models import Failure, OrmQ, Task
from django_q.signals import pre_enqueue
from django_q.tasks import async_chain, async_iter, async_task
from django_q.wire.callables import recorded_name, resolve_callable
from tests.tasks import Calculator, Counter, FastCounter, echo, hook, multiply, raise_error

pytestmark = pytest.mark.django_db(transaction=True)

#: Callables, and whether their name leads to them.
CALLABLES = [
    (multiply, True),
    ("tests.tasks.multiply", True),
    ("tests.tasks.Calculator.add", True),
    (Calculator, True),
    (Calculator.add, True),
    (Counter.made, True),
    (FastCounter.made, True),  # inherited: not that of Counter
    (len, True),
    (dict.fromkeys, True),
    (Calculator(), False),
    (Calculator().add, False),
    (partial(multiply, 2), False),
    (partial(Calculator().add, 2), False),
    ("abc".upper, False),
    (str.upper, False),
    (itemgetter(0), False),
    (lambda: 1, False),
    (partial(partial(multiply, 1), 2), False),
]


@pytest.mark.parametrize(("func", "leads"), CALLABLES)
def test_a_row_names_what_it_called_so_that_the_name_tells(func, leads):
    name = recorded_name(func)

    try:
        found = resolve_callable(name)
    except Exception:
        found = None
    assert (found is not None) is leads
    if leads and not isinstance(func, str):
        assert found == func


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (Calculator(), "tests.tasks.Calculator()"),
        (Calculator().add, "tests.tasks.Calculator().add"),
        (partial(multiply, 2), "functools.partial(tests.tasks.multiply)"),
        (FastCounter.made, "tests.tasks.FastCounter.made"),
    ],
)
def test_such_names_can_be_read(func, name):
    assert recorded_name(func) == name


def act(client: Any, task: Task) -> str:
    """Resubmit a failure in the admin, and read what it says."""
    data = {"action": "resubmit_task", "_selected_action": [task.pk]}
    response = client.post(reverse("admin:django_q_failure_changelist"), data, follow=True)
    (message,) = response.context["messages"]
    return str(message)


FAILING: dict[str, Callable[[Any], Any]] = {
    "a bound method": lambda broker: async_task(Calculator().add, 1, "x", broker=broker),
    "a partial": lambda broker: async_task(partial(raise_error, "x"), broker=broker),
    "an instance": lambda broker: async_task(Calculator(), "x", broker=broker),
    "a method of a builtin": lambda broker: async_task("a".join, [1], broker=broker),
    "an iterable": lambda broker: async_iter(raise_error, ["a", "b"], broker=broker),
    "a hook that is one": lambda broker: async_task(
        raise_error, hook=Calculator().add, broker=broker
    ),
    "a partial in an iterable": lambda broker: async_iter(
        partial(raise_error), ["a"], broker=broker
    ),
}


@pytest.mark.parametrize("call", FAILING)
@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_what_can_not_be_called_again_is_refused_with_the_reason(
    admin_client, broker, run_all, call
):
    FAILING[call](broker)
    run_all(broker)
    task = Failure.objects.get()

    told = act(admin_client, task)

    assert "was not resubmitted" in told
    assert "name" in told or "iterable" in told
    assert Failure.objects.filter(pk=task.pk).exists()
    assert broker.queue_size() == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda broker: async_task(raise_error, "x", broker=broker),
        lambda broker: async_task("tests.tasks.raise_error", broker=broker),
        lambda broker: async_task(Counter.made, 1, broker=broker),
        lambda broker: async_task(FastCounter.made, 1, hook=hook, group="g", broker=broker),
        lambda broker: async_task(echo, max_attempts=3, q_options={"save": True}, broker=broker),
        lambda broker: async_chain([(raise_error, ("x",))], broker=broker),
    ],
)
def test_what_can_is_called_exactly_as_it_was(broker, run_all, call):
    call(broker)
    run_all(broker)
    task = Task.objects.get()

    new = Task.objects.get(id=run_again(task, broker, run_all))

    for field in ("func", "args", "kwargs", "hook", "group", "success"):
        assert getattr(new, field) == getattr(task, field)
    assert str(new.result).partition(":")[0] == str(task.result).partition(":")[0]


def run_again(task: Task, broker: Any, run_all: Callable) -> str:
    """Resubmit a task and run it."""
    new_id = resubmit(task)
    run_all(broker)
    return new_id


def test_with_json_a_list_of_arguments_is_no_iterable(broker, run_all, conf):
    conf(serializer="json")
    async_task("tests.tasks.raise_error", "x", broker=broker)
    async_task("tests.tasks.echo", 1, 2, broker=broker)
    iterable = async_iter("tests.tasks.raise_error", ["x", "y"], broker=broker)
    good = async_iter("math.sqrt", [4, 9], broker=broker)
    run_all(broker)

    for task in Task.objects.exclude(id__in=[iterable, good]):
        assert resubmit(task)
    for task in Task.objects.filter(id__in=[iterable, good]):
        with pytest.raises(PackageError, match="iterable"):
            resubmit(task)


def test_an_id_that_looks_like_that_of_an_iterable_is_none_where_it_tells_the_time(conf):
    conf(serializer="json")
    now = timezone.now()
    told = f"{int(now.timestamp() * 16) & 0xFFFFFF:06x}"
    row = {"args": [1, 2], "result": [1, 2], "started": now, "stopped": now}

    assert not is_iterable_row(Task(id=f"{told}aabbcc4ddd8eee000011112222", **row))
    assert is_iterable_row(Task(id=uuid4().hex, **row))


GONE = [
    *("tests.tasks.renamed", "no.such.module", "os.environ", "nowhere", ""),
    *("<bound method X.f of <X object at 0x7f>>", "f.<locals>.g"),
]
LOST = [
    *({"args": None}, {"kwargs": None}, {"args": None, "kwargs": None}),
    *({"args": "text"}, {"kwargs": ["a"]}),
]


@pytest.mark.parametrize("func", GONE)
def test_a_function_that_is_gone_is_said_to_be(broker, admin_client, func):
    task = failure(func=func)

    assert "was not resubmitted" in act(admin_client, task)
    assert Failure.objects.exists()
    assert broker.queue_size() == 0


@pytest.mark.parametrize("values", LOST)
def test_arguments_that_were_dropped_when_it_was_saved_are_not_none(broker, admin_client, values):
    task = failure(**values)

    assert "can not be read any more" in act(admin_client, task)
    assert Failure.objects.exists()
    assert broker.queue_size() == 0


def test_a_link_that_could_not_travel_has_lost_its_arguments(broker, run_all, conf):
    conf(max_package_size=2000)
    async_chain(["tests.tasks.large", "tests.tasks.echo"], pass_result=True, broker=broker)
    run_all(broker)

    with pytest.raises(PackageError, match="can not be read any more"):
        resubmit(Failure.objects.get())


def failure(**values: Any) -> Failure:
    """Save a failure."""
    now = "2025-05-05T09:00:00Z"
    fields = {"id": "a" * 32, "name": "n", "func": "tests.tasks.multiply", "args": (2, 3),
              "kwargs": {}, "result": "ValueError", "started": now, "stopped": now,
              "success": False, **values}  # fmt: skip
    Failure.objects.create(**fields)
    return Failure.objects.get(pk=fields["id"])


@pytest.mark.parametrize("place", ["list", "page"])
def test_a_failure_stays_while_the_broker_is_away(admin_client, place):
    task = failure()  # and the tests' Redis is at a port where nobody listens

    if place == "list":
        told = act(admin_client, task)
    else:  # inside the transaction of the form
        address = reverse("admin:django_q_failure_change", args=(task.pk,))
        response = admin_client.post(address, {"_resubmit": "1"}, follow=True)
        (told,) = map(str, response.context["messages"])

    assert "was not resubmitted" in told
    assert Failure.objects.exists()


def test_a_failure_stays_where_a_receiver_refuses(broker, admin_client):
    task = failure()

    def refuse(**kwargs: Any) -> None:
        raise RuntimeError("not today")

    pre_enqueue.connect(refuse)
    try:
        told = act(admin_client, task)
    finally:
        pre_enqueue.disconnect(refuse)

    assert "not today" in told
    assert Failure.objects.exists()
    assert broker.queue_size() == 0


def test_it_is_in_the_queue_before_the_transaction_commits(broker):
    task = failure()

    with transaction.atomic():
        resubmit(task)
        assert broker.queue_size() == 1


@pytest.mark.parametrize("broker", ["orm"], indirect=True)
def test_a_queue_that_refuses_leaves_the_failure_and_the_form(broker, admin_client):
    task = failure(cluster="test")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_q_ormq RENAME TO django_q_gone")
    try:
        address = reverse("admin:django_q_failure_change", args=(task.pk,))
        response = admin_client.post(address, {"_resubmit": "1"}, follow=True)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE django_q_gone RENAME TO django_q_ormq")

    assert "was not resubmitted" in str(next(iter(response.context["messages"])))
    assert Failure.objects.exists()
    assert not OrmQ.objects.exists()
