"""Lists for people and for scripts: a table in a terminal, tabs in a pipe, or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TextIO

from django.utils import timezone

from django_q.terminal.drawing.draw import draw, terminal_for
from django_q.terminal.interactive.columns import Column, table
from django_q.text.printable import MAX_TEXT_CHARACTERS, printable
from django_q.text.strict_json import strict_json


def print_rows(columns: Sequence[Column], rows: Sequence[Any], out: TextIO) -> None:
    """Print a row for each; in a pipe nothing is cut, and tabs are between the columns."""
    if out.isatty():
        term = terminal_for(out)
        head, body = table(columns, rows, term.width, None)
        draw(term, [head, *body])
        return
    for row in rows:
        texts = (printable(column.text(row), MAX_TEXT_CHARACTERS) for column in columns)
        out.write("\t".join(texts) + "\n")


def print_json(values: Any, out: TextIO) -> None:
    """Print values as JSON; times are ISO 8601."""
    out.write(strict_json(values, json_text, 2) + "\n")


def json_text(value: Any) -> str:
    """Write what JSON has no form for."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def time_column(moment: datetime | None) -> str:
    """Write a time to the second, in the time zone of the project."""
    if moment is None:
        return ""
    return timezone.template_localtime(moment).strftime("%Y-%m-%d %H:%M:%S")
