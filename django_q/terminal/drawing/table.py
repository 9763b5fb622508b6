"""Rows of cells, and how to fit them to a width; independent of terminals."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.utils.translation import ngettext

#: The end of a text that was cut off; ASCII, because a terminal may support no more.
CELL_CUT_MARK = "~"


class Cell(NamedTuple):
    """A text in a row, with its style, width and alignment."""

    text: str = ""
    style: str = ""  #: as blessed names it, "black_on_green"; "" for none
    span: int = 1  #: columns it takes
    left: bool = False  #: aligned to the left instead of centred


#: Cells that share the width by their spans; an empty row is a blank line.
Row = Sequence[Cell]

BLANK_ROW: Row = ()


@dataclass(frozen=True)
class Frame:
    """A screen: fixed rows at the top, a body that may be cut, and fixed rows at the bottom."""

    head: list[Row] = field(default_factory=list)
    body: list[Row] = field(default_factory=list)
    foot: list[Row] = field(default_factory=list)

    def rows(self, height: int | None = None) -> list[Row]:
        """Return the rows from top to bottom; of the body, as many as ``height`` has room for."""
        fixed = len(self.head) + len(self.foot)
        if height is None or fixed + len(self.body) <= height:
            return [*self.head, *self.body, *self.foot]
        room = max(height - fixed - 1, 0)
        return [*self.head, *self.body[:room], more_rows(len(self.body) - room), *self.foot][
            :height
        ]


def more_rows(count: int) -> Row:
    """Make the row that says how many rows there was no room for."""
    return [Cell(ngettext("%d more row", "%d more rows", count) % count, "yellow")]


def fit_row(row: Row, width: int) -> list[tuple[str, str]]:
    """Cut and pad the texts of a row to ``width`` columns: (text, style) pairs."""
    if not row:
        return []
    unit = max(width // sum(cell.span for cell in row), 1)
    widths = [unit * cell.span for cell in row]
    # The last cell gets the remainder, so that coloured rows end at the edge.
    widths[-1] += max(width - sum(widths), 0)
    gap = 1 if len(row) > 1 else 0
    return [
        (pad_to_width(cut_to_width(cell.text, room - gap), room, cell.left), cell.style)
        for cell, room in zip(row, widths, strict=True)
    ]


def cut_to_width(text: str, width: int) -> str:
    """Cut a text to ``width`` columns, and mark the cut."""
    text = str(text)[: max(width, 0) + 1]  # each character takes a column at least, except accents
    text = "".join(character if character.isprintable() else "?" for character in text)
    if display_width(text) <= width:
        return text
    while text and display_width(text) > width - len(CELL_CUT_MARK):
        text = text[:-1]
    return text + CELL_CUT_MARK if width > 0 else ""


def pad_to_width(text: str, width: int, left: bool = False) -> str:
    """Pad a text to ``width`` columns, centred or with spaces at the right."""
    space = max(width - display_width(text), 0)
    before = 0 if left else space // 2
    return " " * before + text + " " * (space - before)


def display_width(text: str) -> int:
    """Count the columns of a terminal that a text takes: East Asian characters take two."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(each) else 1 + is_wide(each) for each in text)


def is_wide(character: str) -> bool:
    """Whether a character takes two columns."""
    return unicodedata.east_asian_width(character) in "WF"
