"""The loop of the interactive monitor: keys and answers come in, frames go out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from django_q.brokers import Broker
from django_q.exceptions import contain_error
from django_q.terminal.drawing.draw import (
    REFRESH_INTERVAL,
    BackgroundCaller,
    ColourTerminal,
    render,
)
from django_q.terminal.interactive.facts import Facts, FactsReader, error_line
from django_q.terminal.interactive.keys import Pressed, press
from django_q.terminal.interactive.screen import screen_rows
from django_q.terminal.interactive.state import Message, Mode, Order, State
from django_q.terminal.interactive.views import view_of

#: Seconds that are waited for a key, before answers are looked for.
KEY_WAIT_SECONDS = 0.1


def give(order: Order) -> Message:
    """Give an order, and say what became of it."""
    try:
        return Message(order.give())
    except BaseException as error:  # the broker's, or a refusal
        contain_error(error)
        return Message(error_line(error), is_error=True)


def look_up(pressed: Pressed) -> tuple[str, ...]:
    """Look up details, or say why they can not be."""
    try:
        return tuple(pressed.look()) or ("-",)
    except BaseException as error:  # the broker's, or the database's
        contain_error(error)
        return (error_line(error),)


@dataclass
class Session:
    """What one person does. Servers are asked in threads, so keys never wait for them."""

    reader: FactsReader
    state: State = field(default_factory=State)
    facts: Facts = field(default_factory=Facts)
    reading: Future | None = None
    ordering: Future | None = None
    looking: Future | None = None
    read_due: float = 0.0  #: monotonic

    def __post_init__(self) -> None:
        self.reads = BackgroundCaller(self.reader.read)
        self.orders = BackgroundCaller(give)
        self.looks = BackgroundCaller(look_up)
        self.callers = (self.reads, self.orders, self.looks)

    def close(self) -> None:
        """End the threads, without waiting for servers that do not answer."""
        for caller in self.callers:
            caller.close()

    def press(self, key: str) -> None:
        """Do what a key asks for."""
        rows = view_of(self.state).filtered(self.facts, self.state.filter)
        pressed = press(self.state, key, rows)
        if pressed.state.view != self.state.view:
            self.read_due = 0.0
        self.state = pressed.state
        if pressed.order:
            self.ordering = self.orders.submit(pressed.order)
        if pressed.look:
            self.looking = self.looks.submit(pressed)

    def step(self, now: float) -> None:
        """Take answers that have come, and ask again when it is time."""
        if self.reading and self.reading.done():
            self.facts, self.reading = self.reading.result(), None
        if self.ordering and self.ordering.done():
            self.state = replace(self.state, message=self.ordering.result())
            self.ordering = None
            self.read_due = 0.0
        if self.looking and self.looking.done():
            if self.state.mode is Mode.DETAILS:
                self.state = replace(self.state, details=self.looking.result())
            self.looking = None
        if not self.reading and now >= self.read_due:
            self.reading = self.reads.submit(self.state.view)
            self.read_due = now + REFRESH_INTERVAL

    def lines(self, term: ColourTerminal) -> list[str]:
        """Make the lines of the screen."""
        return render(term, screen_rows(self.state, self.facts, term.width, term.height))


def run(term: ColourTerminal, broker: Broker) -> Sequence:
    """Show the views until the person quits; returns the heartbeats that were read last."""
    session, drawn = Session(FactsReader(broker)), None
    try:
        with term.fullscreen():
            while not session.state.is_over:
                session.step(time.monotonic())
                frame = (session.lines(term), term.width, term.height)
                if frame != drawn or term.is_stale:
                    term.refresh(frame[0])
                    drawn = frame
                if key := term.key_name(KEY_WAIT_SECONDS):
                    session.press(key)
    except KeyboardInterrupt:
        pass
    finally:
        session.close()
    return list(session.facts.stats or ())
