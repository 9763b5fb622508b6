"""Rows on a terminal: in colours with blessed, as plain text without."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import Any, TextIO

from django.utils.translation import gettext_lazy as _

from django_q.foreign_code.optional_packages import optional
from django_q.terminal.table import Frame, Row, fit_row

blessed = optional("blessed")

#: A screen is drawn anew this often; seconds.
REFRESH_INTERVAL = 1.0
#: A new size of the terminal is noticed within this time; seconds.
RESIZE_CHECK_INTERVAL = 0.2
#: A server that answers at all most often has done so by then; seconds.
QUICK_REPLY_SECONDS = 0.1


class PlainTerminal:
    """Prints tables below each other: into a pipe, a file, or where blessed is not installed."""

    height: int | None = None  #: it scrolls
    quit_hint = _("[Press Ctrl-C to quit]")

    def __init__(self, out: TextIO) -> None:
        self.out = out

    @property
    def width(self) -> int:
        """Columns."""
        return shutil.get_terminal_size().columns

    def paint(self, text: str, style: str) -> str:
        """Give a text its colours: here, none."""
        return text

    def write(self, lines: Iterable[str]) -> None:
        """Print lines."""
        # In one piece, because the output of a command ends each piece with a new line.
        self.out.write("".join(f"{line}\n" for line in lines))
        self.out.flush()

    def refresh(self, lines: Iterable[str]) -> None:
        """Print the next state of a screen."""
        self.write([*lines, ""])

    def repaint(self, lines: Iterable[str]) -> None:
        """Show an old state again: here, it still stands above."""

    def pause(self, seconds: float) -> bool:
        """Wait; True when the user wants to quit."""
        time.sleep(seconds)
        return False

    @contextmanager
    def fullscreen(self) -> Iterator[None]:
        """Take the whole screen while the context lasts: here, it just scrolls."""
        yield


class ColourTerminal(PlainTerminal):
    """Draws with blessed."""

    quit_hint = _("[Press q to quit]")

    def __init__(self, out: TextIO, interactive: bool = True) -> None:
        super().__init__(out)
        # For the stream sys.stdout itself, blessed asks the terminal what it can do, and waits
        # some seconds where nothing answers, as in the log of a build: too dear for one table.
        stream = out if interactive else open(out.fileno(), "w", closefd=False)  # noqa: SIM115
        self.terminal = blessed.Terminal(stream=stream)
        self.size = (0, 0)  #: as it was drawn last

    @property
    def width(self) -> int:
        """Columns."""
        return self.terminal.width

    @property
    def height(self) -> int:
        """Lines."""
        return self.terminal.height

    def paint(self, text: str, style: str) -> str:
        """Give a text its colours."""
        return getattr(self.terminal, style)(text) if style else text

    def refresh(self, lines: Iterable[str]) -> None:
        """Draw over what is there."""
        size = (self.width, self.height)
        start = self.terminal.home if size == self.size else self.terminal.clear
        self.size = size
        # Each line is cleared before it is written: behind a full line, the cursor still stands
        # on its last character.
        lines = list(lines)
        lines += [""] * (self.height - len(lines))
        self.out.write(start + "\n".join(f"{self.terminal.clear_eol}{line}" for line in lines))
        self.out.flush()

    def repaint(self, lines: Iterable[str]) -> None:
        """Draw an old state again: the size may be a new one."""
        self.refresh(lines)

    def pause(self, seconds: float) -> bool:
        """Wait for the time, a key or a new size; True when the key was q."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            key = self.key(min(left, RESIZE_CHECK_INTERVAL))
            if key or self.size != (self.width, self.height):
                return key.lower() == "q"
        return False

    def key(self, seconds: float) -> str:
        """Wait for a key; an empty text when none was pressed."""
        deadline = time.monotonic() + seconds
        key = self.terminal.inkey(timeout=seconds)
        if not key:  # where there is no keyboard, blessed does not wait
            time.sleep(max(deadline - time.monotonic(), 0))
        return key

    @contextmanager
    def fullscreen(self) -> Iterator[None]:
        """Take the whole screen while the context lasts, and read single keys."""
        with self.terminal.fullscreen(), self.terminal.hidden_cursor(), self.terminal.cbreak():
            yield


def terminal_for(out: TextIO | None, interactive: bool = False) -> PlainTerminal:
    """Choose how to draw on a stream; standard output when there is none."""
    out = sys.stdout if out is None else out
    if blessed and out.isatty() and os.environ.get("TERM") != "dumb":
        return ColourTerminal(out, interactive)
    return PlainTerminal(out)


def draw(term: PlainTerminal, rows: Iterable[Row]) -> None:
    """Print rows and be done."""
    term.write(render(term, rows))


def draw_until_quit(
    term: PlainTerminal,
    frame: Callable[[PlainTerminal], Frame],
    first: Frame,
    refresh: float = REFRESH_INTERVAL,
) -> None:
    """Draw a screen again and again until the user quits; ``first`` until there is one to draw."""
    caller = BackgroundCaller(lambda: frame(term))
    last = first
    try:
        with term.fullscreen():
            while True:
                future = caller.submit()
                while not is_done_soon(future):
                    term.repaint(render(term, last.rows(term.height)))
                    if term.pause(RESIZE_CHECK_INTERVAL):
                        return
                last = future.result()
                term.refresh(render(term, last.rows(term.height)))
                if term.pause(refresh):
                    return
    except KeyboardInterrupt:
        return


class BackgroundCaller:
    """Makes things in one thread of its own, so a silent server does not keep a key waiting."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.futures: SimpleQueue[Future] = SimpleQueue()
        # A daemon, because who quits does not wait for a server either.
        Thread(target=self.run, daemon=True).start()

    def submit(self) -> Future:
        """Have one made."""
        order: Future = Future()
        self.futures.put(order)
        return order

    def run(self) -> None:
        """Make what is ordered, for ever."""
        while True:
            order = self.futures.get()
            try:
                order.set_result(self.function())
            except BaseException as error:  # raised again where the result is asked for
                order.set_exception(error)


def is_done_soon(future: Future) -> bool:
    """Wait a moment for an order."""
    return bool(wait([future], timeout=QUICK_REPLY_SECONDS).done)


def render(term: PlainTerminal, rows: Iterable[Row]) -> list[str]:
    """Make the lines of rows."""
    return [line(term, row).rstrip() for row in rows]


def line(term: PlainTerminal, row: Row) -> str:
    """Make the line of a row."""
    return "".join(term.paint(text, style) for text, style in fit_row(row, term.width))
