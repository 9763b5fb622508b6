"""Callables by their names, and names of callables."""

from __future__ import annotations

import os.path
import sys
from functools import partial
from pathlib import Path

import pytest

from django_q.exceptions import PackageError
from django_q.text.function_names import dotted_name
from django_q.wire.callables import importable_name, resolve, resolve_callable
from tests import tasks
from tests.tasks import Calculator, multiply


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests.tasks.multiply", multiply),
        ("tests.tasks.Calculator.add", Calculator.add),
        ("os.path.join", os.path.join),
        ("tests.tasks", tasks),
        ("len", len),
        ("builtins.len", len),
        ("pathlib.Path", Path),
    ],
)
def test_an_object_is_found_by_its_path(path, expected):
    assert resolve(path) is expected


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("my.buggy.code", ModuleNotFoundError, "No module named 'my'"),
        ("tests.nothing.here", AttributeError, "'tests' has no attribute 'nothing'"),
        ("tests.tasks.nothing_there", AttributeError, "no attribute 'nothing_there'"),
        ("", ValueError, "Empty module name"),
    ],
)
def test_what_is_missing_is_named(path, error, message):
    with pytest.raises(error, match=message):
        resolve(path)


def test_a_module_that_fails_to_import_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "broken_tasks.py").write_text("import a_package_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_there"):
        resolve("broken_tasks.task")
    assert "broken_tasks" not in sys.modules


def test_what_can_not_be_called_is_refused():
    with pytest.raises(TypeError, match="is a list and can not be called"):
        resolve_callable("tests.tasks.hooked")


@pytest.mark.parametrize(
    ("func", "name"),
    [
        ("a.b", "a.b"),
        (multiply, "tests.tasks.multiply"),
        (Calculator, "tests.tasks.Calculator"),
        (Calculator(), "tests.tasks.Calculator"),
        (Calculator().add, "tests.tasks.Calculator.add"),
        (partial(multiply, 2), "tests.tasks.multiply"),
        (len, "builtins.len"),
    ],
)
def test_a_callable_is_named_as_people_know_it(func, name):
    assert dotted_name(func) == name


def test_only_what_can_be_imported_has_an_importable_name():
    assert importable_name(multiply, "It") == "tests.tasks.multiply"
    assert importable_name("whatever.it.is", "It") == "whatever.it.is"
    for func in (lambda: 1, Calculator().add, partial(multiply, 2)):
        with pytest.raises(PackageError, match="It must be importable by name"):
            importable_name(func, "It")
