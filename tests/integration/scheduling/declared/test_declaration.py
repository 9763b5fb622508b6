"""``@scheduled``: what it accepts, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from types import FunctionType

import pytest

from django_q.exceptions import PackageError
from django_q.models.schedule_fields.argument_text import parse_kwargs
from django_q.scheduling.declared import declaration as module
from django_q.scheduling.declared.declaration import Declaration, DeclarationRegistry, stable_text
from django_q.tasks import scheduled
from tests.tasks import Calculator, echo, multiply


@pytest.fixture(autouse=True)
def registry(monkeypatch) -> Iterator[DeclarationRegistry]:
    """Declare into a registry of the test."""
    own = DeclarationRegistry()
    monkeypatch.setattr(module, "DECLARATIONS", own)
    return own


def declare(**options) -> Declaration:
    """Declare a schedule on a function."""
    scheduled(**options)(echo)
    (found,) = module.DECLARATIONS.values()
    return found


def test_a_function_stays_as_it_is():
    assert scheduled(cron="0 9 * * *")(echo) is echo


def test_a_schedule_has_the_dotted_name_of_its_function():
    found = declare(cron="0 9 * * *")

    assert (found.name, found.func, found.module) == ("tests.tasks.echo",) * 2 + ("tests.tasks",)


def test_a_method_of_a_class_may_be_scheduled(registry):
    scheduled(cron="0 9 * * *")(Calculator.add)

    assert len(registry) == 1


def test_a_function_may_have_several(registry):
    both = scheduled("first", every=5)(scheduled("second", every="weekly")(echo))

    rules = {name: one.values["schedule_type"] for name, one in registry.items()}
    assert (both is echo, rules) == (True, {"first": "I", "second": "W"})


@pytest.mark.parametrize(
    ("every", "expected"),
    [(timedelta(hours=2), ("I", 120)), (15, ("I", 15)), (15.0, ("I", 15)), ("daily", ("D", None)),
     ("Bi-Weekly", ("BW", None)), (timedelta(days=1), ("I", 1440))],
)  # fmt: skip
def test_every_is_a_span_a_number_or_a_word(every, expected):
    values = declare(every=every).values

    assert (values["schedule_type"], values["minutes"]) == expected


@pytest.mark.parametrize(
    "every",
    [0, -5, 1.5, True, timedelta(seconds=30), timedelta(days=30), "once", "cron", "minutes",
     "sometimes", 32768, []],
)  # fmt: skip
def test_every_is_refused_where_it_is_no_interval(every):
    with pytest.raises(PackageError, match="'every' must be a timedelta of whole minutes"):
        declare(every=every)


@pytest.mark.parametrize("options", [{}, {"cron": "0 9 * * *", "every": 5}])
def test_a_schedule_has_one_rule(options):
    with pytest.raises(PackageError, match="must have either 'cron' or 'every'"):
        declare(**options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"cron": "0 9"}, "must look like"),
        ({"cron": "0 0 30 2 *"}, "names no time"),
        ({"every": 5, "priority": 700}, "whole number from -100 to 100"),
        ({"every": 5, "retrys": 1}, "no option 'retrys'. Did you mean 'retries'?"),
        ({"every": 5, "shop": 1}, "no option 'shop'. Arguments stand in 'kwargs'."),
        ({"every": 5, "broker": object()}, "no option 'broker'"),
        ({"every": 5, "expires": 5, "run_after": 9}, "must be later than 'run_after'"),
        ({"every": 5, "args": [object()]}, "must be a Python literal"),
        ({"every": 5, "kwargs": {"day": date(2026, 5, 5)}}, "must be a Python literal"),
        ({"every": 5, "jitter": -1}, "'jitter' must be a number of seconds"),
        ({"every": 5, "next_run": "soon"}, "'next_run' must be a time"),
        ({"every": 5, "next_run": "2026-01-01", "time_zone": "Mars"}, "is not known here"),
        ({"every": 5, "name": "n" * 101}, "100 characters at most"),
    ],
)
def test_what_can_be_no_schedule_is_refused_at_once(options, expected):
    with pytest.raises(PackageError, match=expected.replace("?", r"\?")):
        declare(**options)


def test_a_function_that_has_no_name_of_its_own_is_refused():
    def inner():
        """Is found by no name."""

    for func in (inner, lambda: None):
        with pytest.raises(PackageError, match="can not be found by its name"):
            scheduled(every=5)(func)


def test_two_functions_can_not_declare_one_name():
    scheduled("report", every=5)(echo)

    for func, name in ((multiply, "multiply"), (echo, "echo")):
        expected = rf"declared by 'tests\.tasks\.echo' and by 'tests\.tasks\.{name}'"
        with pytest.raises(PackageError, match=expected):
            scheduled("report", every=6)(func)


def test_a_module_that_is_imported_again_replaces_what_it_has_declared(registry):
    scheduled("report", every=5)(echo)
    same = FunctionType(echo.__code__, {}, "echo")
    same.__module__, same.__qualname__ = echo.__module__, echo.__qualname__

    scheduled("report", every=6)(same)

    assert registry["report"].values["minutes"] == 6


@pytest.mark.parametrize(
    ("next_run", "hour"),
    [("2026-07-01 07:00", 22), ("2026-07-01 07:00+02:00", 5), (date(2026, 7, 1), 15)],
)
def test_a_rule_begins_by_the_clock_of_the_schedule(next_run, hour):
    values = declare(every="daily", next_run=next_run, time_zone="Asia/Tokyo").values

    begin = datetime.fromisoformat(values["next_run"])
    assert begin.astimezone(timezone.utc).hour == hour


def test_options_are_stored_as_they_travel():
    values = declare(every=5, kwargs={"x": 1}, retry_on=ValueError, expires=timedelta(hours=1),
                     cluster="long", hook=echo).values  # fmt: skip

    assert parse_kwargs(values["kwargs"]) == {
        "x": 1,
        "q_options": {"retry_on": ["ValueError"], "expires": 3600},
    }
    assert (values["cluster"], values["hook"]) == ("long", "tests.tasks.echo")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b", "a", "c"}, "{'a', 'b', 'c'}"),
        (({3, 1},), "({1, 3},)"),
        ([{"k": {2, 1}}, ()], "[{'k': {1, 2}}, ()]"),
        (set(), "set()"),
        ((1, "x"), "(1, 'x')"),
    ],
)
def test_a_literal_is_written_the_same_by_each_process(value, text):
    assert stable_text(value) == text
