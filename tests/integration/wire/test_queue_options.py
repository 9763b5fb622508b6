"""Options of how a task waits: taken where they mean one thing, refused at the call otherwise."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.test import override_settings
from django.utils.functional import lazystr

from django_q.execution.execution import decode
from django_q.execution.invalid_packages import InvalidPackage
from django_q.signing import SignedPackage
from django_q.tasks import AsyncTask, Chain, Iter, async_batch, async_chain, async_iter, async_task
from django_q.wire.options import normalize_option
from django_q.wire.package import QUEUE_OPTIONS, new_package
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

UID = UUID("12345678-1234-4678-9234-567812345678")
NEW_YEAR = datetime(2030, 1, 1, tzinfo=timezone.utc)
NEW_YEAR_TEXT = "2030-01-01T00:00:00+00:00"

#: Option, value, and what travels.
TAKEN = [
    *[("priority", value, 5) for value in (5, 5.0, "5", " 5 ", lazystr("5"), Decimal(5))],
    *[("priority", value, value) for value in (-100, 0, 100)],
    *[("run_after", value, 60) for value in (60, 60.0, "60", timedelta(minutes=1), Decimal(60))],
    *[("run_after", value, value) for value in (0, 0.5, NEW_YEAR_TEXT)],
    ("run_after", NEW_YEAR, NEW_YEAR_TEXT),
    ("run_after", datetime(2030, 1, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), NEW_YEAR_TEXT),
    ("run_after", "2030-01-01T01:00:00+01:00", NEW_YEAR_TEXT),
    ("run_after", lazystr("2030-01-01 00:00Z"), NEW_YEAR_TEXT),
    *[("expires", value, 0.5) for value in (0.5, "0.5", timedelta(milliseconds=500))],
    ("expires", NEW_YEAR, NEW_YEAR_TEXT),
    ("unique", True, True),
    *[("unique", value, "5") for value in ("5", 5, lazystr("5"))],
    *[("unique", 1, "1"), ("unique", 0, "0"), ("unique", UID, str(UID))],
    *[("idempotency_key", value, "5") for value in ("5", 5, lazystr("5"))],
    *[("track", True, True), ("track", 1, True), ("track", False, False)],
]

NUMBERS = (math.nan, math.inf, -math.inf, -1, 10**400, 1e300, timedelta.max, True, [], b"5", "soon")
REFUSED = [
    *[("priority", value) for value in (101, -101, 3.5, "3.5", *NUMBERS[:3], *NUMBERS[4:])],
    *[("run_after", value) for value in (*NUMBERS, "-5", timedelta(-1), "", date(2030, 1, 1))],
    *[("run_after", value) for value in (datetime(2030, 1, 1), "2030-01-01", "2030-01-01 10:00")],
    *[("run_after", value) for value in (datetime(1969, 1, 1, tzinfo=timezone.utc), "2030-13-01")],
    ("run_after", datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))),
    *[("expires", value) for value in (*NUMBERS, 0, "0", datetime(2030, 1, 1))],
    *[("unique", value) for value in ("", lazystr(""), [], b"a", {"a": 1})],
    *[("unique_for", value) for value in NUMBERS],
    *[("on_duplicate", value) for value in ("ignore", "", "Reject", True, 5, [])],
    *[("idempotency_key", value) for value in ("", True, False, [], b"a")],
    *[("idempotency_for", value) for value in (*NUMBERS, 0)],
    *[("track", value) for value in ("no", 2, [], "")],
]

#: Options that contradict each other, and what the error says.
CONTRADICTIONS = [
    ({"unique_for": 5}, "'unique_for' needs the option 'unique'"),
    ({"unique": False, "unique_for": 5}, "'unique_for' needs the option 'unique'"),
    ({"on_duplicate": "reject"}, "'on_duplicate' needs the option 'unique'"),
    ({"idempotency_key": "a", "on_duplicate": "reject"}, "'on_duplicate' needs"),
    ({"unique": "a", "idempotency_for": 5}, "'idempotency_for' needs the option 'idempotency_key'"),
    ({"unique": "a", "idempotency_key": "b"}, "one of the options 'unique' and 'idempotency_key'"),
    ({"run_after": 60, "expires": 60}, "'expires' must be later than 'run_after'"),
    ({"run_after": NEW_YEAR, "expires": NEW_YEAR - timedelta(1)}, "'expires' must be later"),
    ({"run_after": NEW_YEAR, "expires": 60}, "'expires' must be later"),
    ({"run_after": timedelta(days=36500), "expires": NEW_YEAR}, "'expires' must be later"),
]


def every_option(*args: Any, **kwargs: Any) -> None:
    """Take arguments that have the names of options."""


@pytest.mark.parametrize(("name", "value", "travels"), TAKEN)
def test_what_can_mean_one_thing_travels_as_that(broker, name, value, travels):
    async_task(echo, q_options={name: value})

    found = normalize_option(name, value)
    assert (found, type(found)) == (travels, type(travels))
    assert normalize_option(name, found) == found
    assert SignedPackage.loads(broker.list_tasks()[0].payload)[name] == travels


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_both_serializers_carry_every_option(broker, conf, serializer):
    conf(serializer=serializer)
    options = {
        **{"priority": 5, "run_after": NEW_YEAR, "expires": NEW_YEAR + timedelta(1)},
        **{"unique": True, "unique_for": timedelta(minutes=1), "on_duplicate": "replace"},
        "track": True,
    }

    ids = [
        async_task(echo, 1, q_options=options),
        async_task(echo, 1, q_options={"idempotency_key": UID, "idempotency_for": 60}),
    ]

    one, other = (SignedPackage.loads(broker.find(task_id).payload) for task_id in ids)
    assert {name: one[name] for name in options} == {
        **{"priority": 5, "run_after": NEW_YEAR_TEXT, "expires": "2030-01-02T00:00:00+00:00"},
        **{"unique": True, "unique_for": 60, "on_duplicate": "replace", "track": True},
    }
    assert (other["idempotency_key"], other["idempotency_for"]) == (str(UID), 60)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_can_not_is_refused_at_the_call(broker, name, value):
    needed = {
        "unique_for": "unique",
        "on_duplicate": "unique",
        "idempotency_for": "idempotency_key",
    }
    options = {name: value} | ({needed[name]: "key"} if name in needed else {})

    text = f"The option '{name}' must be .*; got "
    assert_refused(broker, calls_of_each_kind(options), text)


@pytest.mark.parametrize(("options", "text"), CONTRADICTIONS)
def test_options_that_contradict_each_other_are_refused_at_the_call(broker, options, text):
    assert_refused(broker, contradictory_calls(options), text)


def test_options_of_a_call_and_of_its_batch_are_judged_together(broker):
    calls = [(echo, (1,), {"q_options": {"unique_for": 5}})]

    (task_id,) = async_batch(calls, q_options={"unique": True})

    assert broker.find(task_id)


def test_a_time_without_a_zone_is_local_where_django_says_so(broker):
    with override_settings(USE_TZ=False, TIME_ZONE="Europe/Berlin"):
        async_task(echo, broker=broker, q_options={"run_after": datetime(2030, 1, 1, 1)})

    (task,) = broker.list_tasks()
    assert task.due == NEW_YEAR.timestamp()


def test_a_function_keeps_arguments_of_all_these_names(broker):
    arguments = dict.fromkeys(QUEUE_OPTIONS, "mine")

    async_task(every_option, **arguments)
    async_iter(every_option, [1], **arguments)
    AsyncTask(every_option, **arguments).run()
    async_batch([(every_option, (), arguments)])
    async_chain([(every_option, (), arguments)])

    for _ in range(5):
        package = sent(broker)
        assert package["kwargs"] == arguments
        assert QUEUE_OPTIONS & package.keys() == set()


def test_options_are_attributes_of_calls_and_bare_names_are_arguments(broker):
    task = AsyncTask(echo, priority="mine")
    task.priority, task.expires = 5, "60"
    assert (task.priority, task.expires, task.run_after) == (5, "60", None)
    task.run()
    package = sent(broker)
    assert (package["priority"], package["expires"]) == (5, 60)
    assert package["kwargs"] == {"priority": "mine"}

    whole = Iter(echo, [1], kwargs={"track": "mine"})
    whole.track = True
    whole.run()
    package = sent(broker)
    assert (package["track"], package["kwargs"]) == (True, {"track": "mine"})

    chain = Chain([echo])
    chain.unique = "nightly"
    chain.run()
    assert sent(broker)["unique"] == "nightly"


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_cluster_drops_what_is_invalid_and_runs_the_task(broker, caplog, name, value):
    package = new_package("tests.tasks.echo", (1,), {}, {"group": "g"}) | {name: value}

    found = decode("1", SignedPackage.dumps(package))

    assert not isinstance(found, InvalidPackage)
    assert name not in found
    assert found["group"] == "g"
    (line,) = [each for each in caplog.messages if "run without them" in each]
    assert f"The option '{name}' must be" in line


@pytest.mark.parametrize("options", [{"priority": "high"}, {"unique_for": 5}])
def test_a_cluster_drops_what_is_invalid_in_a_link(broker, caplog, options):
    given = {"q_options": {**options, "group": "g"}}
    package = new_package("tests.tasks.echo", (), {}, {}) | {"chain": [(echo, (1,), given), echo]}

    found = decode("1", SignedPackage.dumps(package))

    assert not isinstance(found, InvalidPackage)
    assert found["chain"] == [(echo, (1,), {"q_options": {"group": "g"}}), echo]
    assert len(caplog.messages) == 1


def test_a_link_that_is_none_is_an_invalid_package(broker):
    package = new_package("tests.tasks.echo", (), {}, {}) | {"chain": [3]}

    assert isinstance(decode("1", SignedPackage.dumps(package)), InvalidPackage)
