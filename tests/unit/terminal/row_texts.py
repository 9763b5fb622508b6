"""Reads rows of a screen as text."""

from __future__ import annotations

from django_q.terminal.drawing.table import Row


def texts(row: Row) -> list[str]:
    return [cell.text for cell in row]
