"""Options of how a task is retried: taken where they mean one thing, else refused at the call."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils.functional import lazystr

from django_q.execution.execution import decode
from django_q.execution.invalid_packages import InvalidPackage
from django_q.signing import SignedPackage
from django_q.tasks import async_chain, async_task
from django_q.wire.options import normalize_option
from django_q.wire.package import NEW_OPTIONS, RETRY_OPTIONS, new_package
from tests.integration.sent_packages import sent
from tests.integration.wire.refused_calls import (
    assert_refused,
    calls_of_each_kind,
    contradictory_calls,
)
from tests.tasks import echo

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("broker", ["memory"], indirect=True),
    pytest.mark.usefixtures("broker"),
]


class ShopClosed(Exception):
    """An error of the project."""


CLOSED_PATH = f"{__name__}.ShopClosed"

#: Option, value, and what travels.
TAKEN = [
    *[("retries", value, 5) for value in (5, 5.0, "5", " 5 ", lazystr("5"), Decimal(5))],
    ("retries", 0, 0),
    *[("retry_delay", value, 60) for value in (60, "60", lazystr("60"), timedelta(minutes=1))],
    *[("retry_delay", value, value) for value in (0, 0.5)],
    *[("retry_backoff", value, 2) for value in (2, 2.0, "2", True)],
    *[("retry_backoff", value, 1) for value in (1, False)],
    ("retry_backoff", 1.5, 1.5),
    *[("retry_max_delay", value, 3600) for value in (3600, "3600", timedelta(hours=1))],
    *[("retry_jitter", value, 1) for value in (1, "1", True)],
    *[("retry_jitter", value, value) for value in (0, 0.25)],
    ("retry_jitter", False, 0),
    *[("retry_on", value, ["ValueError"]) for value in (ValueError, "ValueError", [ValueError])],
    ("retry_on", lazystr("builtins.ValueError"), ["ValueError"]),
    ("retry_on", ShopClosed, [CLOSED_PATH]),
    ("retry_on", (ShopClosed, "a.b.Error", OSError), [CLOSED_PATH, "a.b.Error", "OSError"]),
    ("retry_on", [], []),
    ("no_retry_on", {KeyError}, ["KeyError"]),
    ("no_retry_on", "django_q.exceptions.WorkerDied", ["django_q.exceptions.WorkerDied"]),
    *[("soft_timeout", value, 30) for value in (30, "30", timedelta(seconds=30))],
]

NO_NUMBERS = (math.nan, math.inf, -1, 10**400, timedelta.max, [], b"5", "soon", "", {"a": 1})
NO_EXCEPTIONS = (
    3,
    int,
    b"ValueError",
    "not a name",
    "",
    [3],
    [""],
    {"ValueError": 1},
    ValueError(),
)
REFUSED = [
    *[("retries", value) for value in (*NO_NUMBERS, 1.5, True, 2**31)],
    *[("retry_delay", value) for value in (*NO_NUMBERS, True)],
    *[("retry_backoff", value) for value in (*NO_NUMBERS, 0, 0.9, 1001, timedelta(seconds=2))],
    *[("retry_max_delay", value) for value in (*NO_NUMBERS, 0, True)],
    *[("retry_jitter", value) for value in (*NO_NUMBERS, 1.1, -0.1, timedelta(seconds=1))],
    *[("retry_on", value) for value in NO_EXCEPTIONS],
    *[("no_retry_on", value) for value in NO_EXCEPTIONS],
    *[("soft_timeout", value) for value in (*NO_NUMBERS, 0, True)],
]

CONTRADICTIONS = [
    ({"soft_timeout": 60, "timeout": 60}, "'soft_timeout' must be lower than 'timeout'; got 60"),
    ({"soft_timeout": 61, "timeout": 60}, "got 61 and 60"),
    ({"retry_delay": 10, "retry_max_delay": 5}, "'retry_delay' must not be greater than"),
]


@pytest.mark.parametrize(("name", "value", "travels"), TAKEN)
def test_what_can_mean_one_thing_travels_as_that(broker, name, value, travels):
    async_task(echo, q_options={name: value})

    found = normalize_option(name, value)
    assert (found, type(found)) == (travels, type(travels))
    assert normalize_option(name, found) == found
    assert SignedPackage.loads(broker.list_tasks()[0].payload)[name] == travels


def test_a_class_that_a_function_has_defined_travels_by_its_path(broker):
    class Local(Exception):
        """An error that no path leads to."""

    async_task(echo, q_options={"retry_on": Local})

    (path,) = sent(broker)["retry_on"]
    assert path.endswith("<locals>.Local")
    assert normalize_option("retry_on", path) == [path]


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_both_serializers_carry_every_option(broker, conf, serializer):
    conf(serializer=serializer)
    options = {
        **{"retries": 3, "retry_delay": 5, "retry_backoff": True, "retry_max_delay": 60},
        **{"retry_jitter": 0.5, "retry_on": OSError, "no_retry_on": [ShopClosed]},
        "soft_timeout": timedelta(seconds=30),
    }

    async_task(echo, 1, q_options=options)

    package = sent(broker)
    assert {name: package[name] for name in options} == {
        **{"retries": 3, "retry_delay": 5, "retry_backoff": 2, "retry_max_delay": 60},
        **{"retry_jitter": 0.5, "retry_on": ["OSError"], "no_retry_on": [CLOSED_PATH]},
        "soft_timeout": 30,
    }
    assert options.keys() == RETRY_OPTIONS | {"soft_timeout"}


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_can_not_is_refused_at_the_call(broker, name, value):
    options = {name: value}

    text = f"The option '{name}' must be .*; got "
    assert_refused(broker, calls_of_each_kind(options), text)


@pytest.mark.parametrize(("options", "text"), CONTRADICTIONS)
def test_options_that_contradict_each_other_are_refused_at_the_call(broker, options, text):
    assert_refused(broker, contradictory_calls(options), text)


def test_a_task_without_a_time_limit_may_have_a_soft_one(broker):
    async_task(echo, timeout=-1, q_options={"soft_timeout": 60})

    assert sent(broker)["soft_timeout"] == 60


def test_a_link_is_run_without_what_it_inherits_and_contradicts_its_own(broker, run_once):
    own = {"timeout": 5, "q_options": {"retry_max_delay": 5}}
    options = {"soft_timeout": 60, "retry_delay": 30, "retries": 2}
    async_chain([echo, (echo, (), own)], q_options=options)

    run_once(broker)

    link = sent(broker)
    assert (link["timeout"], link["retry_max_delay"], link["retries"]) == (5, 5, 2)
    assert {"soft_timeout", "retry_delay"} & link.keys() == set()


def test_a_function_keeps_arguments_of_all_these_names(broker):
    arguments = dict.fromkeys(NEW_OPTIONS, "mine")

    async_task(echo, **arguments)

    package = sent(broker)
    assert package["kwargs"] == arguments
    assert NEW_OPTIONS & package.keys() == set()


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_cluster_drops_what_is_invalid_and_runs_the_task(caplog, name, value):
    package = new_package("tests.tasks.echo", (1,), {}, {"group": "g"}) | {name: value}

    found = decode("1", SignedPackage.dumps(package))

    assert not isinstance(found, InvalidPackage)
    assert name not in found
    assert found["group"] == "g"
    (line,) = [each for each in caplog.messages if "run without them" in each]
    assert f"The option '{name}' must be" in line


def test_what_a_cluster_writes_into_a_package_is_not_read_from_one():
    odd: Any = object
    runtime = ("ends", "ended_count", "deaths", "retry_in", "stopped_at", "last_position")
    package = new_package("tests.tasks.echo", (1,), {}, {}) | dict.fromkeys(runtime, odd)

    found = decode("1", SignedPackage.dumps(package))

    assert found.keys() & set(runtime) == set()
