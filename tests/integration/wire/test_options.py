"""The options of a call: taken where they mean one thing, refused at the call otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from django.db import models
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe

from django_q.brokers.redis_broker import Redis
from django_q.exceptions import PackageError
from django_q.signals import pre_enqueue
from django_q.tasks import (
    AsyncTask,
    Chain,
    Iter,
    async_batch,
    async_chain,
    async_iter,
    async_task,
)
from tests.integration.sent_packages import sent
from tests.tasks import echo, hook

pytestmark = pytest.mark.django_db(transaction=True)


UID = UUID("12345678-1234-4678-9234-567812345678")


class Colour(models.TextChoices):
    RED = "red", "Red"


class Level(Enum):
    HIGH = 5


#: Option, value, and what travels.
TAKEN = [
    ("group", 5, "5"),
    ("group", 0, "0"),
    ("group", UID, str(UID)),
    ("group", lazystr("orders"), "orders"),
    ("group", mark_safe("orders"), "orders"),
    ("group", Colour.RED, "red"),
    ("group", Level.HIGH, "5"),
    ("group", date(2030, 1, 2), "2030-01-02"),
    ("timeout", "5", 5),
    ("timeout", " 2.5 ", 2.5),
    ("timeout", timedelta(minutes=1), 60),
    ("timeout", timedelta(milliseconds=1500), 1.5),
    ("timeout", Decimal("5"), 5),
    ("timeout", Fraction(1, 2), 0.5),
    ("timeout", lazystr("5"), 5),
    ("timeout", -1, -1),
    ("timeout", 2.5, 2.5),
    ("max_attempts", "3", 3),
    ("max_attempts", 3.0, 3),
    ("max_attempts", Decimal(3), 3),
    ("save", 1, True),
    ("save", False, False),
    ("ack_failure", 0, False),
    ("cached", "60", 60),
    ("cached", timedelta(minutes=2), 120),
    ("cached", 0.5, 0.5),
    ("cached", True, True),
    ("cluster", lazystr("test"), "test"),
    ("hook", lazystr("tests.tasks.hook"), "tests.tasks.hook"),
    ("hook", hook, hook),
    ("chain", ("tests.tasks.echo",), ["tests.tasks.echo"]),
    ("chain", [(echo, (1,), {"timeout": "5"})], [(echo, (1,), {"timeout": 5})]),
    (
        "chain",
        [(echo, (), {"q_options": {"group": UID}})],
        [(echo, (), {"q_options": {"group": str(UID)}})],
    ),
]


REFUSED = [
    *[("group", value) for value in (["a"], {"a": 1}, {1}, object(), b"a", True, False)],
    *[("timeout", value) for value in ("soon", "", 10**400, math.nan, math.inf, -math.inf, True)],
    *[("timeout", value) for value in ([5], "nan", "inf", 1e300, timedelta.max, b"5", 1j)],
    *[("max_attempts", value) for value in (-1, 2.5, "many", True, 10**400, [], math.nan)],
    *[("save", value) for value in ("no", 2, [], "")],
    *[("cached", value) for value in ("long", -5, math.nan, 10**400, [])],
    *[("ack_failure", value) for value in ("yes", 3)],
    *[("sync", value) for value in ("no", 5)],
    *[("on_commit", value) for value in ("no", 5)],
    *[("hook", value) for value in (3, "a:b", "a b", "a..b", b"a.b", ["a.b"], object())],
    *[("chain", value) for value in (3, "tests.tasks.echo", [3], [("f", 1, 2, 3)], {"f": 1})],
    *[("chain", value) for value in ([("f", ("x",)), ("f", 1, 2, 3)], [None], [()], [("a:b",)])],
    *[("chain", value) for value in ([("f", (), {1: 2})], [("f", (), {"timeout": "soon"})])],
    *[("chain", value) for value in ([("f", (), 5)], [("f", (), {"q_options": 5})])],
    *[("cluster", value) for value in (["a"], "a\nb", "x" * 101, "\udc80", True)],
    *[("task_name", value) for value in (["a"], True, object())],
    *[("broker", value) for value in ("default", 5, Redis)],
    *[("redis", value) for value in ("redis://x", 5, {"host": "x"})],
    *[("list_key", value) for value in (["a"], "\x00")],
    *[("iter_count", value) for value in ("many", -1, True, 10**400)],
]


FUNCTIONS = [
    None,
    3,
    "",
    "a:b",
    "math..sqrt",
    ".sqrt",
    "f.<locals>.g",
    [echo],
    b"math.sqrt",
    object(),
]


@pytest.fixture
def connected() -> Iterator[Callable]:
    """Connect receivers of ``pre_enqueue`` until the test ends."""
    receivers: list[Callable] = []

    def connect(receiver: Callable) -> None:
        receivers.append(receiver)
        pre_enqueue.connect(receiver)

    yield connect
    for receiver in receivers:
        pre_enqueue.disconnect(receiver)


def ways_to_take(name: str, value: Any) -> Iterator[Callable]:
    """List the ways in which an option may be given."""
    if name != "max_attempts":
        yield lambda: async_task(echo, **{name: value})
    yield lambda: async_task(echo, q_options={name: value})
    yield lambda: attribute_set(name, value).run()
    yield lambda: async_batch([echo], **{name: value})
    yield lambda: async_batch([(echo, (), {"q_options": {name: value}})])


@pytest.mark.parametrize(("name", "value", "travels"), TAKEN)
def test_what_can_mean_one_thing_is_taken_as_that(broker, connected, name, value, travels):
    ways = list(ways_to_take(name, value))
    if name == "cluster":
        ways.pop()  # it is one of the batch
    for call in ways:
        call()
        package = sent(broker)
        assert (package[name], type(package[name])) == (travels, type(travels))

    connected(lambda task, **kwargs: task.update({name: value}))
    async_task(echo)
    package = sent(broker)
    assert (package[name], type(package[name])) == (travels, type(travels))


def attribute_set(name: str, value: Any) -> AsyncTask:
    """Make a task with an option as an attribute."""
    task = AsyncTask(echo)
    setattr(task, name, value)
    return task


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_can_not_is_refused_at_the_call(broker, name, value):
    options = {name: value}
    ways = [
        lambda: async_task(echo, q_options=options),
        lambda: async_batch([echo, echo], **options),
        lambda: async_batch([(echo, (), {"q_options": options})]),
        lambda: Chain([echo, (echo, (), {"q_options": options})]).run(),
    ]
    if name not in ("chain", "iter_count"):
        ways.append(lambda: async_iter(echo, [1], q_options=options))
        ways.append(lambda: async_chain([echo], **options))
    if name != "iter_count":
        ways.append(lambda: attribute_set(name, value).run())
    if name != "max_attempts":
        ways.append(lambda: async_task(echo, **options))

    for call in ways:
        with pytest.raises(PackageError, match=r"must be|is an option of the batch"):
            call()
    assert broker.queue_size() == 0


@pytest.mark.parametrize("q_options", [5, "group", ["group"], [("group", "a")]])
def test_options_that_are_no_dictionary_are_refused(broker, q_options):
    for call in (
        lambda: async_task(echo, q_options=q_options),
        lambda: AsyncTask(echo, q_options=q_options).run(),
        lambda: async_iter(echo, [1], q_options=q_options),
        lambda: async_batch([echo], q_options=q_options),
        lambda: async_chain([echo, (echo, (), {"q_options": q_options})]),
    ):
        with pytest.raises(PackageError, match="q_options must be a dictionary"):
            call()
    assert broker.queue_size() == 0


@pytest.mark.parametrize("func", FUNCTIONS)
def test_what_can_not_be_called_is_refused_at_the_call(broker, func):
    for call in (
        lambda: async_task(func),
        lambda: AsyncTask(func).run(),
        lambda: async_batch([(func, ())]),
        lambda: async_chain([(func, ())]),
        lambda: async_chain([echo, (func, ())]),
        lambda: async_iter(func, [1]),
        lambda: async_iter(func, []),
        lambda: Iter(func, [1]).run(),
    ):
        with pytest.raises(PackageError, match="must be a dotted path"):
            call()
    assert broker.queue_size() == 0


@pytest.mark.parametrize("value", ["abc", b"abc", 5, None])
def test_text_is_no_list_of_anything(broker, value):
    for call in (
        lambda: async_iter(echo, value),
        lambda: Iter(echo, value or 0),
        lambda: async_chain(value),
        lambda: Chain(value or 0),
        lambda: async_batch(value),
    ):
        with pytest.raises(PackageError, match="must be a list"):
            call()
    assert broker.queue_size() == 0


def test_a_receiver_that_spoils_a_package_is_refused_at_the_call(broker, connected):
    spoils: list[Callable] = []
    connected(lambda task, **kwargs: spoils[-1](task))
    for spoil in (
        lambda task: task.update(func=3),
        lambda task: task.update(func="a:b"),
        lambda task: task.update(id=5),
        lambda task: task.update(started="now"),
        lambda task: task.update(kwargs=5),
        lambda task: task.update(group=["a"]),
        lambda task: task.update(chain=[3]),
        lambda task: task.pop("name"),
        lambda task: task.clear(),
    ):
        spoils.append(spoil)
        with pytest.raises(PackageError):
            async_task(echo)
    assert broker.queue_size() == 0


def test_what_a_receiver_adds_for_itself_travels(broker, connected):
    connected(lambda task, **kwargs: task.update(trace="abc", success=True, ack_id="x"))

    async_task(echo)

    package = sent(broker)
    assert package["trace"] == "abc"
    assert not {"success", "ack_id"} & package.keys()  # these are added while it runs


def test_errors_say_what_was_expected_what_came_and_no_more_than_a_line(broker):
    with pytest.raises(PackageError) as caught:
        async_task(echo, timeout="x" * 10_000)

    text = str(caught.value)
    assert text.startswith("The option 'timeout' must be a number of seconds such as 30")
    assert len(text) < 300
