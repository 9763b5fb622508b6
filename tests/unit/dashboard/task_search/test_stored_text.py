"""Texts of stored values, of which a list reads the beginning."""

from __future__ import annotations

import pickle
from base64 import b64encode

import pytest

from django_q.dashboard.task_search.stored_text import beginning_of_text, stored_call_text
from django_q.models.columns.stored_values import as_json

TEXT = 'ValueError("nö") : Traceback\n' + "  File\n" * 400


def stored(value, protocol=pickle.HIGHEST_PROTOCOL):
    return b64encode(pickle.dumps(value, protocol)).decode()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("text", ["short", TEXT])
def test_a_text_is_read_from_its_pickle(text, protocol):
    assert beginning_of_text(stored(text, protocol)) == text


@pytest.mark.parametrize("length", [61, 62, 63, 64, 500])
@pytest.mark.parametrize("column", [stored(TEXT), as_json(TEXT)])
def test_a_column_may_be_cut_anywhere(column, length):
    found = beginning_of_text(column[:length])

    assert TEXT.startswith(found)
    assert len(found) > 10


@pytest.mark.parametrize("column", [None, "", "nonsense", stored([1]), as_json({"a": 1}), "é"])
def test_what_is_no_text_has_none(column):
    assert beginning_of_text(column) == ""


def test_arguments_are_written_as_they_stand_in_the_call():
    assert stored_call_text("f", stored((2, "x")), stored({"four": [5]})) == "2, 'x', four=[5]"
    assert stored_call_text("f", as_json([2]), as_json({})) == "2"
    assert stored_call_text("f", None, None) == ""


def test_hidden_values_are_dots(conf):
    text = stored_call_text(
        "f", stored(({"api_key": "k"},)), stored({"password": "hunter2", "to": 1})
    )

    assert text == "{'api_key': ••••••}, password=••••••, to=1"


def test_the_parameter_of_a_function_is_hidden_by_its_name(conf):
    assert stored_call_text("math.copysign", stored((1, 2)), None) == "1, 2"
    conf(hide=["x"])

    assert stored_call_text("tests.tasks.multiply", stored((2, 3)), None) == "••••••, 3"


def test_nothing_is_unpickled(monkeypatch):
    column = stored((print,))
    monkeypatch.setattr(pickle, "loads", None)

    assert "print" in stored_call_text("f", column, None)
