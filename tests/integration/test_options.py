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
from django.core.cache import cache
from django.db import models
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_q.brokers.redis_broker import Redis
from django_q.exceptions import PackageError
from django_q.models import Part, Task
from django_q.signals import post_execute, pre_enqueue
from django_q.signing import SignedPackage
from django_q.tasks import (
    AsyncTask,
    Chain,
    Iter,
    async_batch,
    async_chain,
    async_iter,
    async_task,
    count_group,
    count_group_cached,
    delete_cached,
    delete_group,
    delete_group_cached,
    fetch,
    fetch_cached,
    fetch_group,
    fetch_group_cached,
    queue_size,
    result,
    result_cached,
    result_group,
    result_group_cached,
)
from django_q.wire.package import new_package
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


def sent(broker: Any) -> dict[str, Any]:
    """Take the package that was sent last off the queue."""
    (delivery,) = broker.dequeue(1, 1)
    broker.acknowledge(delivery.ack_id)
    return SignedPackage.loads(delivery.payload)


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


@pytest.mark.parametrize("make", [lambda: AsyncTask(echo), lambda: Iter(echo), lambda: Chain()])
def test_an_attribute_that_is_a_misspelt_option_is_refused(make):
    for name in ("time_out", "gruop", "max_attempt", "cashed", "hooks"):
        with pytest.raises(PackageError, match="Did you mean") as caught:
            setattr(make(), name, 4)
        assert isinstance(caught.value, AttributeError)
    call = make()
    call.order = 5  # of the project's own
    assert call.order == 5


def test_every_option_is_an_attribute(broker):
    task = AsyncTask(echo, 1)
    task.timeout, task.max_attempts, task.task_name, task.cluster = "5", "3", 7, "test"
    task.run()

    package = sent(broker)
    assert (package["timeout"], package["max_attempts"], package["name"]) == (5, 3, "7")
    assert (task.timeout, task.max_attempts) == ("5", "3")
    assert package["kwargs"] == {}


def test_options_of_iterables_and_chains_are_attributes(broker):
    whole = Iter(echo, [1])
    whole.timeout, whole.max_attempts, whole.group = 5, 2, "g"
    whole.run()
    package = sent(broker)
    assert (package["timeout"], package["max_attempts"]) == (5, 2)
    assert (package["iter_group"], package["kwargs"]) == ("g", {})

    chain = Chain([echo, echo], group=5)
    chain.timeout, chain.pass_result = 5, True
    assert chain.run() == "5"
    package = sent(broker)
    assert (package["timeout"], package["chain_options"]) == (5, {"pass_result": True})


def test_a_function_keeps_its_own_argument_max_attempts(broker):
    async_task(echo, max_attempts="mine", iter_position=1)
    async_task(echo, max_attempts="mine", q_options={"max_attempts": 2})

    assert sent(broker)["kwargs"] == {"max_attempts": "mine", "iter_position": 1}
    package = sent(broker)
    assert (package["kwargs"], package["max_attempts"]) == ({"max_attempts": "mine"}, 2)


@pytest.mark.parametrize("read", [
    fetch, result, fetch_cached, result_cached, delete_cached, result_group, fetch_group,
    count_group, delete_group, result_group_cached, fetch_group_cached, count_group_cached,
    delete_group_cached, Task.get_task, Task.get_result, Task.get_task_group, Task.delete_group,
])  # fmt: skip
def test_a_reader_says_what_it_looks_for(broker, read):
    Task.objects.create(**row())

    for name in (None, [], {}, object(), b"a", True):
        with pytest.raises(PackageError, match=r"Expected the (id|name)"):
            read(name)
    assert not read(987654321)
    assert not read(UUID(int=987654321))
    assert Task.objects.count() == 1


def row(**values: Any) -> dict[str, Any]:
    """Make the fields of a task that has ended, and is in no group."""
    now = new_package(echo, (), {}, {})["started"]
    return {"id": "a" * 32, "name": "n", "func": "f", "started": now, "stopped": now, **values}


@pytest.mark.parametrize("read", [fetch, result, fetch_cached, result_group, fetch_group_cached])
def test_a_wait_is_a_number(broker, read):
    for wait in ("soon", None, [], True, math.nan, math.inf):
        with pytest.raises(PackageError, match="'wait' must be a number of milliseconds"):
            read("x", wait=wait)
    for wait in ("1", 0.5, timedelta(milliseconds=1), Decimal(1)):
        assert read("x", wait=wait) is None


def test_names_are_looked_up_as_they_were_given(broker, run_once):
    task_id = async_task(echo, group=5, task_name=UID)
    run_once(broker)

    assert (count_group(5), count_group("5")) == (1, 1)
    assert fetch(UUID(task_id)).id == fetch(str(UID)).id == task_id
    assert fetch_group(5, count="1")[0].group == "5"


def test_names_that_were_cut_are_found(broker, run_once):
    long = "x" * 300
    async_task(echo, group=long, task_name=long)
    run_once(broker)

    assert Task.objects.get().group == "x" * 100
    assert fetch(long).name == Task.get_task(long).name == "x" * 100
    assert count_group(long) == len(result_group(long)) == len(fetch_group(long)) == 1
    delete_group(long)
    assert count_group(long) == 0


@pytest.mark.parametrize("value", ["default", 5, Redis])
def test_readers_want_a_broker_and_not_its_name(broker, value):
    for call in (queue_size, lambda broker: fetch_cached("x", broker=broker),
                 lambda broker: count_group_cached("x", broker=broker)):  # fmt: skip
        with pytest.raises(PackageError, match="must be a broker"):
            call(value)


def test_errors_say_what_was_expected_what_came_and_no_more_than_a_line(broker):
    with pytest.raises(PackageError) as caught:
        async_task(echo, timeout="x" * 10_000)

    text = str(caught.value)
    assert text.startswith("The option 'timeout' must be a number of seconds such as 30")
    assert len(text) < 300


#: Anything that somebody may pass.
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.decimals()
    | st.text(max_size=200)
    | st.binary(max_size=5)
    | st.uuids()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.sampled_from(
        [echo, hook, len, object, Redis, lazystr("a"), mark_safe("tests.tasks.echo")]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=5,
)
#: Values that are near to what is meant.
NEAR = st.sampled_from(
    ["5", " 5", "5.5", "1e3", "-1", 0, 1, 5, 5.0, -1, "tests.tasks.hook", "tests.tasks.echo", "f",
     ["tests.tasks.echo"], [("tests.tasks.echo", (1,))], [(echo, (), {"group": 5})], True, False]
)  # fmt: skip
FUZZED = ["group", "timeout", "max_attempts", "save", "cached", "ack_failure", "hook", "chain",
          "task_name", "chain_options", "iter_group", "iter_name", "iter_position", "sync",
          "on_commit", "iter_cached", "gruop"]  # fmt: skip


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    options=st.dictionaries(st.sampled_from(FUZZED), NEAR | ANYTHING, max_size=3),
    func=st.just(echo) | st.just("tests.tasks.raise_error") | NEAR | ANYTHING,
    place=st.sampled_from(["q_options", "attribute", "receiver", "iter", "batch"]),
)
def test_any_option_is_refused_at_the_call_or_its_task_ends_once(
    broker, run_all, conf, options, func, place
):
    conf(max_attempts=1)
    if {"max_attempts", "ack_failure"} & options.keys():
        func = echo  # a failure would come again after a while
    ended: list[str] = []
    listen = lambda task, **kwargs: ended.append(task["id"])  # noqa: E731 - one at a time
    spoil = lambda task, **kwargs: task.update(options)  # noqa: E731
    post_execute.connect(listen)
    if place == "receiver":
        pre_enqueue.connect(spoil)
    try:
        task_id = submitted(func, options, place)
    except (PackageError, TypeError):
        assert not broker.queue_size()
        assert not ended
    else:
        pre_enqueue.disconnect(spoil)  # links that follow are no part of this
        run_all(broker)
        assert ended.count(task_id) == 1
        row = Task.objects.filter(id=task_id)
        assert row.exists() or kept_elsewhere(options)
    finally:
        pre_enqueue.disconnect(spoil)
        post_execute.disconnect(listen)
    assert (broker.queue_size(), broker.lock_size(), broker.dead_size()) == (0, 0, 0)
    assert not Part.objects.exists()
    Task.objects.all().delete()
    cache.clear()


def submitted(func: Any, options: dict[str, Any], place: str) -> str:
    """Make a call with options, and return its id."""
    if place == "receiver":
        return async_task(func, 1)
    if place == "batch":
        return async_batch([(func, (1,))], q_options=options)[0]
    if place == "iter":
        return async_iter(func, [1, 2], q_options=options)
    task = AsyncTask(func, 1)
    for name, value in options.items() if place == "attribute" else ():
        setattr(task, name, value)
    if place == "q_options":
        task.kwargs["q_options"] = options
    return task.run()


def kept_elsewhere(options: dict[str, Any]) -> bool:
    """Whether a call asks for no row where it succeeds, or for one in the cache."""
    keeps = options.get("save") in (None, True, 1)
    return not keeps or bool(options.get("cached") or options.get("iter_cached"))
