"""Text of others on lines of ours."""

from __future__ import annotations

import pytest

from django_q.text.function_names import dotted_name
from django_q.text.printable import (
    ASCII_ELLIPSIS,
    CONTINUATION_INDENT,
    printable,
    printable_lines,
    printable_paragraph,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本\u3000語", "plain é 日本\u3000語"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\x00b", "a\\x00b"),
        ("file-\udc80.txt", "file-\\udc80.txt"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("line\u2028line\x85line", "line\\u2028line\\x85line"),
    ],
)
def test_what_can_not_be_printed_is_escaped(text, shown):
    assert printable(text) == shown
    printable(text).encode()


def test_a_long_text_is_cut_and_keeps_its_end():
    text = printable("begin" + "x" * 1000 + "end", 100)

    assert len(text) == 100
    assert text.startswith("begin")
    assert ASCII_ELLIPSIS in text
    assert text.endswith("end")


def test_the_lines_of_a_paragraph_are_indented_but_for_the_first():
    assert (
        printable_paragraph("Error: x\n12:00 [Q] forged\x1b\n")
        == f"Error: x\n{CONTINUATION_INDENT}12:00 [Q] forged\\x1b"
    )


class Computed:
    """A callable whose name raises."""

    def __getattr__(self, name: str) -> str:
        raise KeyboardInterrupt(name)

    def __call__(self) -> None:
        """Do nothing."""


def test_a_callable_whose_name_raises_is_named_by_its_class():
    assert dotted_name(Computed()) == "tests.unit.text.test_printable.Computed"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\n\tb é\n", "a\n\tb é\n"), ("a\x1b[2J\n\x00\r\n", "a\\x1b[2J\n\\x00\\r\n")],
)
def test_lines_stay_lines(text, shown):
    assert printable_lines(text) == shown
