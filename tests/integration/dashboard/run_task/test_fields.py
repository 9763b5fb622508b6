"""Forms from signatures: a field for each parameter, of its type, and the arguments they give."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Literal

import pytest
from django import forms

from django_q.dashboard.run_task.fields import arguments_from, form_for


def typed(
    name: str,
    count: int,
    price: Decimal,
    day: date,
    mode: Literal["fast", 3],
    is_dry: bool = False,
    ratio: float | None = None,
    items: Any = (1, 2),
    api_token: str = "",
    **rest: Any,
) -> None:
    """Have a parameter of each kind."""


def positional(one: int, two: int = 2, /, *, three: list | None = None) -> None:
    """Have parameters without names, and one with a name alone."""


def odd(thing: Missing, action) -> None:  # noqa: F821 - an annotation that can not be read
    """Have an annotation of a name that is nowhere."""


class Silent:
    """Can not be written."""

    def __repr__(self) -> str:
        raise ValueError


def defaulted(thing: Any = Silent(), pin_token: int = 4711, word: str = "plum") -> None:  # noqa: B008
    """Have defaults, of which one can not be written, and two are secret."""


VALUES = {"name": " Anna ", "count": "3", "price": "1.50", "day": "2027-03-28", "mode": "3"}


def fill(func: Any, **values: str) -> forms.Form:
    """Fill the form of a function."""
    return form_for(func, {f"argument-{name}": value for name, value in values.items()})


def test_values_get_the_types_of_their_parameters():
    form = fill(typed, **VALUES, is_dry="on", ratio="0.5", items="[1, 'a']")

    assert form.is_valid()
    assert arguments_from(typed, form) == (
        (),
        {
            "name": " Anna ",
            "count": 3,
            "price": Decimal("1.50"),
            "day": date(2027, 3, 28),
            "mode": 3,
            "is_dry": True,
            "ratio": 0.5,
            "items": [1, "a"],
        },
    )


def test_what_is_left_empty_has_its_default():
    form = fill(typed, **VALUES)

    assert form.is_valid()
    assert arguments_from(typed, form)[1].keys() == {*VALUES, "is_dry"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", "three"), ("mode", "slow"), ("items", "open('x')"), ("day", ""), ("price", "x")],
)
def test_a_value_of_another_type_is_refused(name, value):
    form = fill(typed, **{**VALUES, name: value})

    assert list(form.errors) == [name]


def test_none_is_a_value():
    form = fill(typed, **VALUES, items="None")

    assert form.is_valid()
    assert arguments_from(typed, form)[1]["items"] is None


def test_a_default_is_shown_and_a_secret_is_not():
    fields = form_for(typed).fields

    assert fields["items"].initial == "(1, 2)"
    assert isinstance(fields["api_token"].widget, forms.PasswordInput)
    assert "rest" not in fields


def test_parameters_without_names_are_given_by_their_places():
    form = fill(positional, one="1", two="5", three="[4]")

    assert form.is_valid()
    assert arguments_from(positional, form) == ((1, 5), {"three": [4]})


def test_annotations_that_can_not_be_read_leave_fields_for_any_value():
    form = fill(odd, thing="{'a': 1}", action="None")

    assert form.is_valid()
    assert arguments_from(odd, form) == ((), {"thing": {"a": 1}, "action": None})


@pytest.mark.parametrize("given", [{}, {"pin_token": 1234567, "word": "apple"}])
def test_a_secret_is_shown_neither_as_a_default_nor_as_it_was_typed(given):
    data = {f"argument-{name}": str(value) for name, value in given.items()}
    form = form_for(defaulted, data, secret=("word",))

    assert form.is_valid()
    assert not any(secret in str(form) for secret in ("4711", "plum", "1234567", "apple"))
    assert arguments_from(defaulted, form)[1] == given
