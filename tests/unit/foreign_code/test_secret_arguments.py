"""Secret arguments: found by callable and by path, without importing anything."""

from __future__ import annotations

import sys

import pytest

from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.foreign_code.secret_arguments import (
    HIDDEN_VALUE,
    secret_arguments_of,
    with_hidden_arguments,
)


def log_in(name, token, *codes, again=False, **others):
    """Take secrets."""


def wrapper(*args, **kwargs):
    """Stand before a function that is decorated."""


class Shop:
    """A class with a function."""


@pytest.fixture(autouse=True)
def module(monkeypatch):
    """Give a module with decorated functions."""
    this = sys.modules[__name__]
    secret = FunctionWithOptions(log_in, {}, {"token", "codes", "pin"})
    monkeypatch.setattr(this, "secret", secret, raising=False)
    monkeypatch.setattr(wrapper, "__wrapped__", secret, raising=False)
    monkeypatch.setattr(Shop, "log_in", staticmethod(secret), raising=False)
    return this


@pytest.mark.parametrize("name", ["secret", "wrapper", "Shop.log_in"])
def test_secrets_are_found_by_path_and_by_object(module, name):
    found = module
    for part in name.split("."):
        found = getattr(found, part)

    assert secret_arguments_of(f"{__name__}.{name}") == {"token", "codes", "pin"}
    assert secret_arguments_of(found) == {"token", "codes", "pin"}


@pytest.mark.parametrize(
    "func", [log_in, len, "math.floor", "", "gone", f"{__name__}.gone", f"{__name__}.log_in.x", 5]
)
def test_other_functions_have_none(func):
    assert secret_arguments_of(func) == frozenset()
    assert with_hidden_arguments(func, [1], {"token": 2}) == ((1,), {"token": 2})


def test_nothing_is_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)

    assert secret_arguments_of("this.zen") == frozenset()
    assert "this" not in sys.modules


def test_what_wraps_itself_has_none(monkeypatch):
    monkeypatch.setattr(wrapper, "__wrapped__", wrapper)

    assert secret_arguments_of(wrapper) == frozenset()


@pytest.mark.parametrize(
    ("args", "kwargs", "shown"),
    [
        (("ann", "x"), {}, (("ann", HIDDEN_VALUE), {})),
        (
            ("ann",),
            {"token": "x", "again": True},
            (("ann",), {"token": HIDDEN_VALUE, "again": True}),
        ),
        (("ann", "x", 1, 2), {"pin": 3}, (("ann", *[HIDDEN_VALUE] * 3), {"pin": HIDDEN_VALUE})),
        ((), {}, ((), {})),
    ],
)
def test_their_values_are_hidden(module, args, kwargs, shown):
    assert with_hidden_arguments(module.secret, args, kwargs) == shown
    assert with_hidden_arguments(f"{__name__}.secret", list(args), kwargs) == shown


def test_an_argument_too_many_is_taken_for_the_last():
    def one(token):
        """Take a secret."""

    func = FunctionWithOptions(one, {}, {"token"})

    assert with_hidden_arguments(func, ("x", "y"), {}) == ((HIDDEN_VALUE, HIDDEN_VALUE), {})


def test_all_are_hidden_where_it_is_not_known_which_is_the_secret():
    func = FunctionWithOptions("gone.f", {}, {"a"})

    assert with_hidden_arguments(func, (1,), {"a": 2, "b": 3}) == (
        (HIDDEN_VALUE,),
        {"a": HIDDEN_VALUE, "b": 3},
    )
