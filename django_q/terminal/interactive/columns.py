"""Columns of a table that is as wide as the terminal: which have room, and how wide each is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django_q.terminal.drawing.table import CELL_CUT_MARK, Cell, Row, cut_to_width, display_width
from django_q.text.printable import printable

TITLE_STYLE, SELECTED_STYLE = "black_on_green", "reverse"
#: What a row begins with, so that the selected one is seen without colours.
MARKER, NO_MARKER = ">", ""
MARKER_WIDTH = 2
#: Columns of the terminal between two columns of the table.
COLUMN_GAP = 2


def no_style(row: Any) -> str:
    """Choose no colour."""
    return ""


@dataclass(frozen=True)
class Column:
    """A column of the table of a view."""

    title: Any
    text: Callable[[Any], Any]
    style: Callable[[Any], str] = no_style
    #: Its share of the width that others leave, where not all have the width of their longest text;
    #: 0 for a column that always has it.
    share: int = 0
    #: The columns of the terminal from which on it is shown.
    from_width: int = 0
    #: Whether it is left out where it has no text.
    is_optional: bool = False
    #: Whether the end of a text that has no room is kept, as that of a dotted path.
    keeps_end: bool = False

    def texts(self, rows: Sequence[Any]) -> list[str]:
        """Write it for some rows."""
        return [printable(self.text(row)) for row in rows]


def table(
    columns: Sequence[Column], rows: Sequence[Any], width: int, selected: int | None
) -> tuple[Row, list[Row]]:
    """Make the row of titles, and one for each of ``rows``; ``selected`` is an index."""
    texts = {column: column.texts(rows) for column in columns if width >= column.from_width}
    texts = {column: each for column, each in texts.items() if any(each) or not column.is_optional}
    widths = fitted_widths(texts, width - MARKER_WIDTH)
    titles = [str(column.title) for column in texts]
    head = table_row(NO_MARKER, titles, widths, [TITLE_STYLE] * len(titles), TITLE_STYLE)
    body = []
    for index, row in enumerate(rows):
        is_selected = index == selected
        styles = [SELECTED_STYLE if is_selected else column.style(row) for column in texts]
        cells = [
            cut_beginning(each[index], room - COLUMN_GAP) if column.keeps_end else each[index]
            for (column, each), room in zip(texts.items(), widths, strict=True)
        ]
        marker = MARKER if is_selected else NO_MARKER
        body.append(table_row(marker, cells, widths, styles, SELECTED_STYLE if is_selected else ""))
    return head, body


def table_row(
    marker: str, texts: Sequence[str], widths: Sequence[int], styles: Sequence[str], style: str
) -> Row:
    """Make a row whose cells have these widths."""
    cells = [
        Cell(cut_to_width(text, width - COLUMN_GAP), own, width, left=True)
        for text, width, own in zip(texts, widths, styles, strict=True)
        if width > 0
    ]
    return [Cell(marker, style, MARKER_WIDTH, left=True), *cells]


def fitted_widths(texts: dict[Column, list[str]], width: int) -> list[int]:
    """Return how wide each column is, with the gap behind it: ``width`` together."""
    longest = {
        column: max(map(display_width, (str(column.title), *each))) + COLUMN_GAP
        for column, each in texts.items()
    }
    left = width - sum(longest[column] for column in texts if not column.share)
    shares = sum(column.share for column in texts) or 1
    has_room = sum(longest.values()) <= width
    wanted = [
        longest[column] if has_room or not column.share else max(left * column.share // shares, 0)
        for column in texts
    ]
    fitted: list[int] = []
    for each in wanted:
        fitted.append(max(min(each, width - sum(fitted)), 0))
    fitted[-1] += width - sum(fitted)
    return fitted


def cut_beginning(text: str, width: int) -> str:
    """Cut a text to ``width`` columns so that its end stays, and mark the cut."""
    if display_width(text) <= width:
        return text
    while text and display_width(text) > width - len(CELL_CUT_MARK):
        text = text[1:]
    return CELL_CUT_MARK + text if width > 0 else ""
