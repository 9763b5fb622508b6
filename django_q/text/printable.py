"""Make foreign text printable on one line: in logs, in process titles, on a terminal.

A newline could forge a line, an escape sequence controls a terminal, and a lone surrogate can not
be encoded at all.
"""

from __future__ import annotations

import unicodedata
from typing import Any

#: Characters that are shown of a name, and of the text of an error or result.
MAX_NAME_CHARACTERS, MAX_TEXT_CHARACTERS = 300, 20_000
#: Marks where text was cut; ASCII, as the encoding of a stream may have no more.
ASCII_ELLIPSIS = "..."
#: Indents each line of a text but the first, so that none looks like a log line of its own.
CONTINUATION_INDENT = "    "


class PrintableText(str):
    """Text that is printable already, and is not changed again."""


def printable(text: Any, limit: int = MAX_NAME_CHARACTERS) -> str:
    """Write a text in one line, cut to ``limit`` characters before others are escaped.

    Characters that can not be printed are escaped as in a Python literal: ``\\n``, ``\\x1b``.
    """
    text = cut_middle(str.__str__(text) if isinstance(text, str) else str(text), limit)
    if text.isprintable():
        return text
    return "".join(
        each if is_printable_character(each) else escape_character(each) for each in text
    )


def printable_paragraph(text: str, limit: int = MAX_TEXT_CHARACTERS) -> PrintableText:
    """Make a text of several lines printable, such as a traceback: indent all but the first."""
    lines = (
        cut_middle(str.__str__(text), limit).rstrip().replace("\t", CONTINUATION_INDENT).split("\n")
    )
    return PrintableText(
        f"\n{CONTINUATION_INDENT}".join(printable(line.rstrip("\r"), limit) for line in lines)
    )


def printable_lines(text: str) -> str:
    """Escape in a text of several lines what can not be printed, but for their ends and tabs."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(
        each if each in "\n\t" or is_printable_character(each) else escape_character(each)
        for each in text
    )


def cut_middle(text: str, limit: int) -> str:
    """Shorten a text in its middle: the end of an error says as much as its beginning."""
    if len(text) <= limit:
        return text
    tail = max(0, limit - len(ASCII_ELLIPSIS)) // 3
    head = max(0, limit - len(ASCII_ELLIPSIS) - tail)
    return text[:head] + ASCII_ELLIPSIS + text[len(text) - tail :]


def is_printable_character(character: str) -> bool:
    """Return True if a character is shown as it is: printable ones, and spaces of any width."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def escape_character(character: str) -> str:
    """Escape a character as in a Python literal."""
    return character.encode("unicode_escape").decode("ascii")
