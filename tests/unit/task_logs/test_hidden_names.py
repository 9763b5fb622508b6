"""Names whose values are hidden, and the values that a call has of such names."""

from __future__ import annotations

from django_q.task_logs.hidden_names import hide_values, is_hidden, secret_values


def call(account, password, *rest, **options):
    """Be called."""


def package_of(*args, **kwargs):
    """Make as much of a package as is looked at."""
    return {"func": call, "args": args, "kwargs": kwargs}


def test_names_that_sound_secret_and_those_of_the_settings_are_hidden(conf):
    assert is_hidden("API_KEY", frozenset())
    assert is_hidden("Iban", frozenset({"iban"}))
    assert not is_hidden("iban", frozenset())
    assert not is_hidden(7, frozenset())


def test_values_of_hidden_names_are_found_wherever_they_are(conf):
    conf(hide=["iban"])

    found = secret_values(
        package_of(
            *("anna", "hunter22", {"iban": ["DE12", 123456], "name": "plain"}),
            nested=[{"token": b"bytes-token"}],
        )
    )

    assert found == ["bytes-token", "hunter22", "123456", "DE12"]


def test_a_value_is_found_in_a_repr_as_well(conf):
    text = hide_values(
        "got {'password': 'two\\nlines'}", secret_values(package_of(1, "two\nlines"))
    )

    assert text == "got {'password': '••••••'}"


def test_short_values_and_others_than_plain_ones_are_not_looked_for():
    assert secret_values(package_of(1, "abc", token=None, secret=object())) == []


def test_of_a_function_that_is_unknown_the_keywords_alone_are_hidden():
    package = {"func": "nowhere.function", "args": ("hunter22",), "kwargs": {"token": "t0ken"}}

    assert secret_values(package) == ["t0ken"]
