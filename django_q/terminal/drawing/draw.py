"""Draw rows on a terminal: in colours with blessed, as plain text without."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import Any, TextIO

from django.db import connections
from django.utils.translation import gettext_lazy as _

from django_q.foreign_code.optional_packages import optional
from django_q.terminal.drawing.suspension import Suspension, noted_suspension
from django_q.terminal.drawing.table import Frame, Row, fit_row

blessed = optional("blessed")

#: The variable of the environment by which people want no colours, see https://no-color.org.
NO_COLOUR_VARIABLE = "NO_COLOR"
#: Styles that are no colours.
COLOURLESS_STYLES = ("bold", "reverse")
#: The size of the last frame, where there is none.
NOTHING_DRAWN = (0, 0)
#: Seconds between two frames of a screen.
REFRESH_INTERVAL = 1.0
#: Seconds between two checks of the size of the terminal.
RESIZE_CHECK_INTERVAL = 0.2
#: Seconds within which most answers of a server come.
QUICK_REPLY_SECONDS = 0.1


class PlainTerminal:
    """Prints frames below each other: into a pipe, a file, or where blessed is not installed."""

    height: int | None = None  #: no limit: it scrolls
    quit_hint: Any = _("[Press Ctrl-C to quit]")
    has_keys = False  #: single keys can be read

    def __init__(self, out: TextIO) -> None:
        self.out = out

    @property
    def width(self) -> int:
        """The number of columns."""
        return shutil.get_terminal_size().columns

    def paint(self, text: str, style: str) -> str:
        """Return the text without colours."""
        return text

    def write(self, lines: Iterable[str]) -> None:
        """Print lines."""
        # In one write, because the output of a command adds a new line to each write.
        self.out.write("".join(f"{line}\n" for line in lines))
        self.out.flush()

    def refresh(self, lines: Iterable[str]) -> None:
        """Print the next frame of a screen."""
        self.write([*lines, ""])

    def repaint(self, lines: Iterable[str]) -> None:
        """Do nothing: the last frame is still visible above."""

    def pause(self, seconds: float) -> bool:
        """Wait; return True if the user wants to quit, which is by Ctrl-C only here."""
        time.sleep(seconds)
        return False

    @contextmanager
    def fullscreen(self) -> Iterator[None]:
        """Do nothing: this terminal scrolls."""
        yield


class ColourTerminal(PlainTerminal):
    """Draws frames over each other, in colours, with blessed."""

    def __init__(self, out: TextIO, interactive: bool = True) -> None:
        super().__init__(out)
        self.has_colours = not os.environ.get(NO_COLOUR_VARIABLE)
        self.has_keys = is_keyboard(sys.__stdin__)
        if self.has_keys:
            self.quit_hint = _("[Press q to quit]")
        # For the stream sys.stdout itself, blessed asks the terminal for its capabilities, and
        # waits some seconds if it does not answer, as in the log of a build. A single table does
        # not need them.
        stream = out if interactive else open(out.fileno(), "w", closefd=False)  # noqa: SIM115
        with colours_allowed():
            self.terminal = blessed.Terminal(stream=stream)
        self.size = NOTHING_DRAWN  #: columns and lines of the last frame
        self.modes = ExitStack()  #: what is to be undone when the screen is left
        self.suspension = Suspension()

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.terminal.width

    @property
    def height(self) -> int:
        """The number of lines."""
        return self.terminal.height

    def paint(self, text: str, style: str) -> str:
        """Return the text in the colours of a style."""
        style = style if self.has_colours else without_colours(style)
        return getattr(self.terminal, style)(text) if style else text

    @property
    def can_draw_over(self) -> bool:
        """Whether a frame can be drawn over another: the cursor goes where it is sent."""
        term = self.terminal
        return bool(term.home and term.clear and term.clear_eol)

    @property
    def is_stale(self) -> bool:
        """Whether the screen shows no frame of its size."""
        return self.size != (self.width, self.height)

    def refresh(self, lines: Iterable[str]) -> None:
        """Draw the next frame over the last one."""
        size = (self.width, self.height)
        start = self.terminal.home if size == self.size else self.terminal.clear
        self.size = size
        # Each line is cleared before it is written, and not after: behind a full line the cursor
        # is still on its last character.
        lines = list(lines)
        lines += [""] * (self.height - len(lines))
        self.out.write(start + "\n".join(f"{self.terminal.clear_eol}{line}" for line in lines))
        self.out.flush()

    def repaint(self, lines: Iterable[str]) -> None:
        """Draw the last frame again: the size of the terminal may have changed."""
        self.refresh(lines)

    def pause(self, seconds: float) -> bool:
        """Wait for the time, a key or a new size; return True if the key was q."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            key = self.key(min(left, RESIZE_CHECK_INTERVAL))
            if key or self.is_stale:
                return key.lower() == "q"
        return False

    def key(self, seconds: float) -> str:
        """Wait for a key; return an empty text if none was pressed."""
        deadline = time.monotonic() + seconds
        key = self.terminal.inkey(timeout=seconds)
        if not key:  # without a keyboard, blessed does not wait
            time.sleep(max(deadline - time.monotonic(), 0))
        if self.suspension.is_wanted:
            self.suspend()
        return key

    def key_name(self, seconds: float) -> str:
        """Wait for a key: its character, or its name such as ``KEY_UP``; empty without one."""
        key = self.key(seconds)
        return key.name if getattr(key, "is_sequence", False) and key.name else str(key)

    @contextmanager
    def fullscreen(self) -> Iterator[None]:
        """Use the whole screen while the context lasts, and read single keys."""
        with self.modes, noted_suspension() as self.suspension:
            self.enter()
            yield

    def enter(self) -> None:
        """Take the whole screen, and single keys."""
        for mode in (self.terminal.fullscreen, self.terminal.hidden_cursor, self.terminal.cbreak):
            self.modes.enter_context(mode())

    def suspend(self) -> None:
        """Give the screen back, and stop as Ctrl-Z asks; take it again when the process goes on."""
        self.modes.close()
        self.out.flush()
        self.suspension.carry_out()
        self.enter()
        self.size = NOTHING_DRAWN


def terminal_for(out: TextIO | None, interactive: bool = False) -> PlainTerminal:
    """Choose how to draw on a stream; None is standard output."""
    out = sys.stdout if out is None else out
    if blessed and out.isatty() and os.environ.get("TERM") != "dumb":
        term = ColourTerminal(out, interactive)
        if term.can_draw_over:
            return term
    return PlainTerminal(out)


def is_keyboard(stream: TextIO | None) -> bool:
    """Return True if somebody can type into a stream."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


@contextmanager
def colours_allowed() -> Iterator[None]:
    """Hide ``NO_COLOR`` from blessed, which moves no cursor either where it is set."""
    value = os.environ.pop(NO_COLOUR_VARIABLE, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[NO_COLOUR_VARIABLE] = value


def without_colours(style: str) -> str:
    """Choose what stands for a style where there are no colours."""
    return "reverse" if "_on_" in style else style if style in COLOURLESS_STYLES else ""


def draw(term: PlainTerminal, rows: Iterable[Row]) -> None:
    """Print rows once."""
    term.write(render(term, rows))


def draw_until_quit(
    term: PlainTerminal,
    frame: Callable[[PlainTerminal], Frame],
    first: Frame,
    refresh: float = REFRESH_INTERVAL,
) -> None:
    """Draw frames until the user quits; ``first`` is shown until the first one is made."""
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
    finally:
        caller.close()


class BackgroundCaller:
    """Calls a function in a thread: a server that does not answer must not block the keys."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.futures: SimpleQueue[tuple[Future, tuple[Any, ...]] | None] = SimpleQueue()
        # A daemon, so that quitting does not wait for a server.
        self.thread = Thread(target=self.run, daemon=True)
        self.thread.start()

    def submit(self, *args: Any) -> Future:
        """Call the function in the thread, and return its future."""
        future: Future = Future()
        self.futures.put((future, args))
        return future

    def close(self) -> None:
        """End the thread, and its connections to databases, as soon as it has nothing to do."""
        self.futures.put(None)

    def run(self) -> None:
        """Call the function for each future; the body of the thread."""
        while call := self.futures.get():
            future, args = call
            try:
                future.set_result(self.function(*args))
            except BaseException as error:  # raised again where the result is asked for
                future.set_exception(error)
        connections.close_all()


def is_done_soon(future: Future) -> bool:
    """Wait briefly for a future; return whether it is done."""
    return bool(wait([future], timeout=QUICK_REPLY_SECONDS).done)


def render(term: PlainTerminal, rows: Iterable[Row]) -> list[str]:
    """Format rows as lines of the width of the terminal."""
    return [line(term, row).rstrip() for row in rows]


def line(term: PlainTerminal, row: Row) -> str:
    """Format a row as a line of the width of the terminal."""
    return "".join(term.paint(text, style) for text, style in fit_row(row, term.width))
