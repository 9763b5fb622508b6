"""The arguments of a call by Django's tasks framework travel as JSON text."""

from __future__ import annotations

import pytest

from django_q.exceptions import PackageError
from django_q.wire.framework_call import with_read_arguments, with_written_arguments

CALL = {"backend": "default", "args": (1, ["two"]), "kwargs": {"three": None}}


def test_arguments_are_the_same_after_they_have_travelled():
    travelling = with_written_arguments(CALL)

    assert (travelling["args"], travelling["kwargs"]) == ((), {})
    assert travelling["arguments"] == '[[1,["two"]],{"three":null}]'
    assert with_read_arguments(dict(travelling)) == CALL


def test_a_package_of_another_call_is_left_as_it_is():
    plain = {"args": (1,), "kwargs": {}}

    assert with_read_arguments(plain) is plain


def test_a_receiver_can_not_put_in_what_json_has_not():
    with pytest.raises(PackageError, match="must be JSON"):
        with_written_arguments({**CALL, "args": (object(),)})


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "[1, 2]", "[[], []", "[[],[1]]", 5, "null"])
def test_arguments_that_are_none_are_refused(text):
    with pytest.raises(PackageError, match="must be a list and a dictionary as JSON"):
        with_read_arguments({**CALL, "arguments": text})
