"""What each key does: a state, a key and the rows of the view give the next state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from django_q.terminal.interactive.state import Mode, Order, State
from django_q.terminal.interactive.views import VIEWS, View, view_of

#: Rows that a page up or down moves by.
PAGE_ROWS = 10
#: Characters of a filter at most.
MAX_FILTER_LENGTH = 60
MOVES = {"KEY_UP": -1, "k": -1, "KEY_DOWN": 1, "j": 1, "KEY_PGUP": -PAGE_ROWS,
         "KEY_PGDOWN": PAGE_ROWS, "KEY_HOME": -(10**9), "g": -(10**9), "KEY_END": 10**9,
         "G": 10**9}  # fmt: skip
VIEW_STEPS = {"KEY_TAB": 1, "KEY_RIGHT": 1, "l": 1, "KEY_BTAB": -1, "KEY_LEFT": -1, "h": -1}
VIEW_KEYS = {str(number): name for number, name in enumerate(VIEWS, 1)}
YES_KEYS = ("y", "Y")
ERASE_KEYS = ("KEY_BACKSPACE", "KEY_DELETE", "\x7f", "\x08")


class Pressed(NamedTuple):
    """What a key has led to."""

    state: State
    #: An order that the person has said yes to.
    order: Order | None = None
    #: Looks up the details of the selected row.
    look: Callable[[], Sequence[str]] | None = None


def press(state: State, key: str, rows: Sequence[Any]) -> Pressed:
    """Do what a key asks for; ``rows`` are those of the view that its filter leaves.

    Keys are characters, or names such as ``KEY_UP``.
    """
    return BY_MODE[state.mode](state, key, rows)


def press_in_view(state: State, key: str, rows: Sequence[Any]) -> Pressed:
    """Move, switch, filter, or ask whether to give an order."""
    state = state.told("")
    view = view_of(state)
    if key in MOVES:
        return Pressed(moved(state, view, MOVES[key], rows))
    if key in VIEW_STEPS:
        number = list(VIEWS).index(state.view) + VIEW_STEPS[key]
        return Pressed(replace(state, view=list(VIEWS)[number % len(VIEWS)]))
    if key in VIEW_KEYS:
        return Pressed(replace(state, view=VIEW_KEYS[key]))
    if key in ("q", "Q"):
        return Pressed(replace(state, is_over=True))
    if key == "/":
        return Pressed(replace(state, mode=Mode.FILTER))
    if key == "?":
        return Pressed(replace(state, mode=Mode.HELP))
    if key == "KEY_ESCAPE":
        return Pressed(state.with_filter(""))
    return press_for_row(state, view, key, rows)


def press_for_row(state: State, view: View, key: str, rows: Sequence[Any]) -> Pressed:
    """Ask whether to give an order for the selected row, or show its details."""
    index = state.selection.index_in([view.key(row) for row in rows])
    if index is None:
        return Pressed(state)
    row = rows[index]
    state = state.with_selection(view.key(row), index)
    if key == "KEY_ENTER":
        state = replace(state, mode=Mode.DETAILS, details=(), scroll=0)
        return Pressed(state, look=lambda: view.details(row))
    order = view.orders[key](row) if key in view.orders else None
    return Pressed(replace(state, mode=Mode.CONFIRM, order=order) if order else state)


def moved(state: State, view: View, step: int, rows: Sequence[Any]) -> State:
    """Select another row."""
    keys = [view.key(row) for row in rows]
    index = state.selection.index_in(keys)
    if index is None:
        return state
    index = min(max(index + step, 0), len(keys) - 1)
    return state.with_selection(keys[index], index)


def press_in_filter(state: State, key: str, rows: Sequence[Any]) -> Pressed:
    """Type a filter: it counts with each key, Enter keeps it, Escape takes it away."""
    if key == "KEY_ENTER":
        return Pressed(replace(state, mode=Mode.BROWSE))
    if key == "KEY_ESCAPE":
        return Pressed(replace(state.with_filter(""), mode=Mode.BROWSE))
    if key in ERASE_KEYS:
        return Pressed(state.with_filter(state.filter[:-1]))
    if len(key) == 1 and key.isprintable():
        return Pressed(state.with_filter((state.filter + key)[:MAX_FILTER_LENGTH]))
    return Pressed(state)


def press_in_question(state: State, key: str, rows: Sequence[Any]) -> Pressed:
    """Give the order if the key is y; any other key takes it back."""
    answered = replace(state, mode=Mode.BROWSE, order=None)
    if key in YES_KEYS:
        return Pressed(answered.told("..."), order=state.order)
    return Pressed(answered.told(_("Nothing was done.")))


def press_in_details(state: State, key: str, rows: Sequence[Any]) -> Pressed:
    """Scroll, or go back to the view."""
    if key in MOVES:
        most = max(len(state.details) - 1, 0)
        return Pressed(replace(state, scroll=min(max(state.scroll + MOVES[key], 0), most)))
    if key in ("q", "Q"):
        return Pressed(replace(state, is_over=True))
    return Pressed(replace(state, mode=Mode.BROWSE, details=(), scroll=0))


def press_in_help(state: State, key: str, rows: Sequence[Any]) -> Pressed:
    """Go back to the view."""
    return Pressed(replace(state, mode=Mode.BROWSE, is_over=key in ("q", "Q")))


BY_MODE: dict[Mode, Callable[[State, str, Sequence[Any]], Pressed]] = {
    Mode.BROWSE: press_in_view,
    Mode.FILTER: press_in_filter,
    Mode.CONFIRM: press_in_question,
    Mode.DETAILS: press_in_details,
    Mode.HELP: press_in_help,
}
