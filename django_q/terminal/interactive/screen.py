"""The screen as rows: of a state and what is known, for a terminal of some size."""

from __future__ import annotations

import textwrap
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_q.terminal.cluster_screen import summary_rows
from django_q.terminal.drawing.table import BLANK_ROW, Cell, Row, cut_to_width, display_width
from django_q.terminal.interactive.columns import table
from django_q.terminal.interactive.facts import Facts
from django_q.terminal.interactive.state import Mode, State
from django_q.terminal.interactive.views import VIEWS, view_of

#: The fewest columns that are drawn; a narrower terminal cuts lines.
MIN_WIDTH = 20
#: Between two keys in the last line.
KEY_SEPARATOR = "  "
ACTIVE_TAB_STYLE = "black_on_cyan"
#: In place of what is being looked up.
UNKNOWN_YET = "..."
#: Keys and what they do, in any view.
KEY_TEXTS = (
    ("1-4, Tab", gettext_lazy("another view")),
    ("j k, arrows", gettext_lazy("another row")),
    ("Enter", gettext_lazy("details of the row")),
    ("/", gettext_lazy("only rows with these words; Esc shows all")),
    ("q", gettext_lazy("quit")),
)


def line(text: str, width: int, style: str = "") -> Row:
    """Make a row of one text at the left."""
    return [Cell(text, style, width, left=True)]


def screen_rows(state: State, facts: Facts, width: int, height: int) -> list[Row]:
    """Make all rows of the screen, as many as it is high at most."""
    width = max(width, MIN_WIDTH)
    foot = [*bottom_row(state, facts, width), keys_row(state, width)]
    room = max(height - 1 - len(foot), 1)
    body = MAKE_BODY[state.mode](state, facts, width, room)
    blank = [BLANK_ROW] * (room - len(body))
    return [tabs_row(state, width), *body[:room], *blank, *foot][:height]


def tabs_row(state: State, width: int) -> Row:
    """Make the row of the views; where they have no room, each has the same part of it."""
    texts = [f" {number} {view.title}" for number, view in enumerate(VIEWS.values(), 1)]
    spans = [display_width(text) + 2 for text in texts]
    if sum(spans) > width:
        spans = [width // len(texts)] * len(texts)
    styles = [ACTIVE_TAB_STYLE if name == state.view else "" for name in VIEWS]
    cells = [Cell(*each, left=True) for each in zip(texts, styles, spans, strict=True)]
    left = width - sum(spans)
    return [*cells, *([Cell("", "", left, left=True)] if left else [])]


def view_rows(state: State, facts: Facts, width: int, height: int) -> list[Row]:
    """Make the table of the view, with the rows around the selected one."""
    view = view_of(state)
    if view.rows(facts) is None:
        text = "" if facts.error else _("Connecting.")
        return [BLANK_ROW, line(text, width)]
    rows = view.filtered(facts, state.filter)
    below = summary(state, facts)
    room = max(height - 1 - len(below), 1)
    index = state.selection.index_in([view.key(row) for row in rows])
    first = min(max((index or 0) - room // 2, 0), max(len(rows) - room, 0))
    shown = rows[first : first + room]
    head, body = table(view.columns, shown, width, None if index is None else index - first)
    if not rows:
        body = [line(str(view.nothing), width)]
    return [head, *body, *below]


def summary(state: State, facts: Facts) -> list[Row]:
    """Make the rows below the clusters."""
    return summary_rows(facts.figures) if state.view == "clusters" and facts.figures else []


def details_rows(state: State, facts: Facts, width: int, height: int) -> list[Row]:
    """Make the lines of the details, wrapped."""
    if not state.details:
        return [BLANK_ROW, line(UNKNOWN_YET, width)]
    wrapped = [
        part
        for text in state.details
        for part in textwrap.wrap(text, width, drop_whitespace=False, tabsize=4) or [""]
    ]
    first = min(state.scroll, max(len(wrapped) - height + 1, 0))
    return [BLANK_ROW, *(line(text, width) for text in wrapped[first : first + height - 1])]


def help_rows(state: State, facts: Facts, width: int, height: int) -> list[Row]:
    """Make the list of the keys."""
    texts = list(KEY_TEXTS)
    for view in VIEWS.values():
        texts += [(key, f"{view.title}: {text}") for key, text in view.key_texts.items()]
    return [BLANK_ROW, *(line(f"  {key:12} {text}", width) for key, text in texts)]


MAKE_BODY: dict[Mode, Any] = {
    Mode.BROWSE: view_rows,
    Mode.FILTER: view_rows,
    Mode.CONFIRM: view_rows,
    Mode.DETAILS: details_rows,
    Mode.HELP: help_rows,
}


def bottom_row(state: State, facts: Facts, width: int) -> list[Row]:
    """Make the lines above the keys: a question, a filter, a message or an error."""
    if state.mode is Mode.CONFIRM and state.order:
        return wrapped_lines(f"{state.order.question} y/n", width, "bold")
    if state.mode is Mode.FILTER:
        return [line(f"/{state.filter}_", width, "bold")]
    if state.message.text:
        return wrapped_lines(state.message.text, width, "red" if state.message.is_error else "bold")
    if facts.error:
        return wrapped_lines(facts.error, width, "red")
    return [line(f"/{state.filter}" if state.filter else "", width)]


def wrapped_lines(text: str, width: int, style: str, most: int = 3) -> list[Row]:
    """Break a text into a few lines."""
    parts = textwrap.wrap(text, width) or [""]
    if len(parts) > most:
        parts = [*parts[: most - 1], cut_to_width(" ".join(parts[most - 1 :]), width)]
    return [line(part, width, style) for part in parts]


def keys_row(state: State, width: int) -> Row:
    """Make the line that names the most important keys."""
    if state.mode is Mode.FILTER:
        keys = {"Enter": _("keep"), "Esc": _("show all")}
    elif state.mode in (Mode.DETAILS, Mode.HELP):
        keys = {"Esc": _("back"), "q": _("quit")}
    else:
        own = {key: str(text) for key, text in view_of(state).key_texts.items()}
        keys = {**own, "?": _("help"), "q": _("quit"), "/": _("filter"), "Enter": _("details")}
    texts = [f"{key} {text}" for key, text in keys.items()]
    while len(texts) > 1 and display_width(KEY_SEPARATOR.join(texts)) > width:
        texts.pop()
    return line(KEY_SEPARATOR.join(texts), width, "cyan")
