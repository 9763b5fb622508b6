"""Screens that are printed once, or redrawn until the user quits."""

from __future__ import annotations

import textwrap
from dataclasses import replace

from django.utils.translation import gettext as _

from django_q.exceptions import BrokerUnavailable
from django_q.terminal.drawing.draw import PlainTerminal, draw, draw_until_quit
from django_q.terminal.drawing.table import BLANK_ROW, Cell, Frame, Row


class Screen:
    """Base of the screens: makes one frame after another."""

    def head(self, width: int) -> list[Row]:
        """Make the rows at the top, which are also shown with an error."""
        raise NotImplementedError

    def content(self, width: int) -> tuple[list[Row], list[Row]]:
        """Make the rows of the body, and those below it. Raises BrokerUnavailable."""
        raise NotImplementedError

    def frame(self, width: int) -> Frame:
        """Make a frame of the present state. Raises BrokerUnavailable."""
        return Frame(self.head(width), *self.content(width))

    def frame_or_error(self, term: PlainTerminal) -> Frame:
        """Make a frame of the present state, or one that shows why the broker does not answer."""
        try:
            frame = self.frame(term.width)
        except BrokerUnavailable as error:
            frame = Frame(self.head(term.width), error_rows(error, term.width))
        return with_quit_hint(frame, term)

    def first_frame(self, term: PlainTerminal) -> Frame:
        """Make the frame that is shown until the broker has answered."""
        return with_quit_hint(
            Frame(self.head(term.width), [BLANK_ROW, [Cell(_("Connecting."))]]), term
        )


def with_quit_hint(frame: Frame, term: PlainTerminal) -> Frame:
    """Add below a frame how to quit."""
    hint: list[Row] = [BLANK_ROW, [Cell(str(term.quit_hint))]]
    return replace(frame, foot=[*frame.foot, *hint])


def error_rows(error: Exception, width: int) -> list[Row]:
    """Make the rows of an error, and that the broker is asked again."""
    lines = textwrap.wrap(str(error), max(width, 20))
    return [
        BLANK_ROW,
        *([Cell(line, "red")] for line in lines),
        BLANK_ROW,
        [Cell(_("Trying again."))],
    ]


def show(screen: Screen, run_once: bool, term: PlainTerminal) -> None:
    """Print a screen once, which may raise BrokerUnavailable, or draw it until the user quits."""
    if run_once:
        draw(term, screen.frame(term.width).rows())
    else:
        draw_until_quit(term, screen.frame_or_error, screen.first_frame(term))
