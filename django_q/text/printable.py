"""Text of others on a line of ours: in logs, in the list of processes, on a terminal.

A newline would forge a line, an escape character reaches the terminal, half a character can not
be written at all.
"""

from __future__ import annotations

import unicodedata
from typing import Any

#: Characters of a name, and of what errors and results say, that are shown.
MAX_NAME_CHARACTERS, MAX_TEXT_CHARACTERS = 300, 20_000
#: Stands where something was cut off; ASCII, as a stream may know no more.
ASCII_ELLIPSIS = "..."
#: Begins each line of a text but the first, so that none passes for a line of its own.
CONTINUATION_INDENT = "    "


class PrintableText(str):
    """A text that was made printable already."""


def printable(text: Any, limit: int = MAX_NAME_CHARACTERS) -> str:
    """Write a text in one line of at most ``limit`` characters, before what is special is escaped.

    What can not be printed is written as Python writes it in a literal: ``\\n``, ``\\x1b``.
    """
    text = cut_middle(str.__str__(text) if isinstance(text, str) else str(text), limit)
    if text.isprintable():
        return text
    return "".join(
        each if is_printable_character(each) else escape_character(each) for each in text
    )


def printable_paragraph(text: str, limit: int = MAX_TEXT_CHARACTERS) -> PrintableText:
    """Write a text of several lines, such as a traceback: all but the first are indented."""
    lines = (
        cut_middle(str.__str__(text), limit).rstrip().replace("\t", CONTINUATION_INDENT).split("\n")
    )
    return PrintableText(
        f"\n{CONTINUATION_INDENT}".join(printable(line.rstrip("\r"), limit) for line in lines)
    )


def cut_middle(text: str, limit: int) -> str:
    """Shorten a text, in its middle: the end of an error tells as much as its beginning."""
    if len(text) <= limit:
        return text
    tail = max(0, limit - len(ASCII_ELLIPSIS)) // 3
    head = max(0, limit - len(ASCII_ELLIPSIS) - tail)
    return text[:head] + ASCII_ELLIPSIS + text[len(text) - tail :]


def is_printable_character(character: str) -> bool:
    """Whether a character is shown as it is: letters, and spaces of any width."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def escape_character(character: str) -> str:
    """Write a character as Python does in a literal."""
    return character.encode("unicode_escape").decode("ascii")
