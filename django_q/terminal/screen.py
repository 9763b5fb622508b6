"""A screen that is shown once, or drawn anew until the user quits."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TextIO

from django.utils.translation import gettext as _

from django_q.exceptions import BrokerUnavailable
from django_q.terminal.draw import PlainTerminal, draw, draw_until_quit, terminal_for
from django_q.terminal.table import BLANK_ROW, Cell, Frame, Row


class Screen:
    """Makes the frames of a screen, one after the other."""

    def head(self, width: int) -> list[Row]:
        """Make the rows that are there whatever happens."""
        raise NotImplementedError

    def content(self, width: int) -> tuple[list[Row], list[Row]]:
        """Make the body and what stands below it. Raises BrokerUnavailable."""
        raise NotImplementedError

    def frame(self, width: int) -> Frame:
        """Make the frame of this moment. Raises BrokerUnavailable."""
        return Frame(self.head(width), *self.content(width))

    def lasting_frame(self, term: PlainTerminal) -> Frame:
        """Make the frame of this moment, or one that says why there is nothing to show."""
        try:
            frame = self.frame(term.width)
        except BrokerUnavailable as error:
            frame = Frame(self.head(term.width), error_rows(error, term.width))
        return with_quit_hint(frame, term)

    def first_frame(self, term: PlainTerminal) -> Frame:
        """Make the frame to look at until the broker has answered."""
        return with_quit_hint(
            Frame(self.head(term.width), [BLANK_ROW, [Cell(_("Connecting."))]]), term
        )


def with_quit_hint(frame: Frame, term: PlainTerminal) -> Frame:
    """Tell below a frame how to quit."""
    hint: list[Row] = [BLANK_ROW, [Cell(str(term.quit_hint))]]
    return replace(frame, foot=[*frame.foot, *hint])


def error_rows(error: Exception, width: int) -> list[Row]:
    """Say why there is nothing to show."""
    lines = textwrap.wrap(str(error), max(width, 20))
    return [
        BLANK_ROW,
        *([Cell(line, "red")] for line in lines),
        BLANK_ROW,
        [Cell(_("Trying again."))],
    ]


def show(screen: Screen, run_once: bool, out: TextIO | None = None) -> None:
    """Draw a screen once, or until the user quits. Once raises BrokerUnavailable."""
    term = terminal_for(out, interactive=not run_once)
    if run_once:
        draw(term, screen.frame(term.width).rows())
    else:
        draw_until_quit(term, screen.lasting_frame, screen.first_frame(term))
