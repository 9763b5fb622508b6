"""A function that was added to a module which is loaded already."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from django_q.foreign_code.stale_code import add_stale_code_hint, stale_code_hint
from django_q.wire.callables import resolve

HINT = (
    "'send' is in the file of 'late.tasks' by now, but the cluster keeps the code that it "
    "started with. Restart it."
)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Load a module without the function. Gives its file."""
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "__init__.py").write_text("")
    file = tmp_path / "late" / "tasks.py"
    file.write_text("def other(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("late.tasks")
    yield file
    for name in ("late", "late.tasks"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "line",
    [
        "def send(): pass",
        "async def send(): pass",
        "class send: pass",
        "send = print",
        "send: object = print",
        "from os import getpid as send",
    ],
)
def test_a_function_that_was_just_added_is_told_of(source, line):
    source.write_text(f"{line}\n")

    with pytest.raises(AttributeError) as raised:
        resolve("late.tasks.send")
    add_stale_code_hint("late.tasks.send", raised.value)

    assert str(raised.value).endswith(f"has no attribute 'send'. {HINT}")


@pytest.mark.parametrize("text", ["def other(): pass", "def send(:", "", "\0"])
def test_nothing_is_said_where_the_file_has_none(source, text):
    source.write_text(text)

    assert stale_code_hint("late.tasks.send") == ""


def test_nothing_is_said_where_there_is_no_file(source):
    source.unlink()

    assert stale_code_hint("late.tasks.send") == ""


@pytest.mark.parametrize(
    "path", ["late.tasks.other", "late.tasks.other.more", "sys.nothing", "no.such.module", "alone"]
)
def test_nothing_is_said_of_any_other_path(source, path):
    assert stale_code_hint(path) == ""


def test_an_error_of_another_kind_stays_as_it_is(source):
    source.write_text("def send(): pass\n")
    error = TypeError("is no function")

    add_stale_code_hint("late.tasks.send", error)

    assert str(error) == "is no function"
