"""Figures of queues and results: how they are counted, and how often."""

from __future__ import annotations

import pytest

from django_q.terminal import cluster_screen
from django_q.terminal.queue_figures import MAX_COUNTED_ROWS, ThrottledValue, figure_text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "?"),
        (0, "0"),
        (MAX_COUNTED_ROWS, str(MAX_COUNTED_ROWS)),
        (MAX_COUNTED_ROWS + 1, f"{MAX_COUNTED_ROWS}+"),
    ],
)
def test_a_figure_is_exact_as_far_as_rows_are_counted(number, text):
    assert figure_text(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (59.9, "0:00:59"), (360_061, "100:01:01"), (-3, "0:00:00")],
)
def test_a_duration_is_hours_minutes_and_seconds(seconds, text):
    assert cluster_screen.duration(seconds) == text


class Clock:
    """A clock that asking takes time of."""

    def __init__(self, price: float) -> None:
        self.now = 0.0
        self.price = price
        self.asked = 0

    def ask(self) -> int:
        self.now += self.price
        self.asked += 1
        return self.asked


@pytest.mark.parametrize(("price", "pause"), [(0, 5), (1, 20)])
def test_a_figure_is_asked_for_seldom_and_a_dear_one_more_seldom(price, pause):
    clock = Clock(price)
    figure = ThrottledValue(clock.ask, interval=5, clock=lambda: clock.now)

    first = figure()
    clock.now += pause - 0.1
    early = figure()
    clock.now += 0.1
    late = figure()

    assert (first, early, late) == (1, 1, 2)
