"""A chart of bars as SVG, which takes its colours from the documentation's light or dark theme."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from benchmarks.report import number

CHART_WIDTH = 780

#: Where bars begin, and how long the longest is.
BAR_LEFT, MAX_BAR_LENGTH = 230, 390

#: Heights of a bar's line, and of a panel's heading with the room above it.
LINE_HEIGHT, HEADING_HEIGHT = 20, 46


class Bar(NamedTuple):
    """A bar."""

    case: str
    side: str
    value: float


class Panel(NamedTuple):
    """Bars on one scale."""

    title: str
    bars: list[Bar]


def draw(panels: list[Panel]) -> str:
    """Draw panels, one below the other, as a piece of HTML like the other drawings."""
    top, parts = 0, []
    for panel in panels:
        parts += draw_panel(panel, top)
        top += HEADING_HEIGHT + LINE_HEIGHT * len(panel.bars)
    title = escape("; ".join(panel.title for panel in panels))
    head = (
        f'<div class="drawing"><svg viewBox="0 0 {CHART_WIDTH} {top + 12}" role="img" aria-label='
    )
    return "\n".join([f'{head}"{title}">', *parts, "</svg></div>"]) + "\n"


def draw_panel(panel: Panel, top: int) -> list[str]:
    """Draw a heading and the bars below it."""
    parts = [text(10, top + 30, panel.title, "name")]
    longest = max(bar.value for bar in panel.bars) or 1
    first_side, previous = panel.bars[0].side, None
    for index, bar in enumerate(panel.bars):
        y = top + HEADING_HEIGHT + LINE_HEIGHT * index
        if bar.case != previous:
            parts.append(text(10, y + 12, bar.case))
        previous = bar.case
        parts += draw_bar(bar, y, bar.value / longest, bar.side == first_side)
    return parts


def draw_bar(bar: Bar, y: int, share: float, is_project: bool) -> list[str]:
    """Draw a bar with its number behind it; other sides are named there too."""
    width = max(1, round(share * MAX_BAR_LENGTH))
    label = number(bar.value) + ("" if is_project else f" {bar.side}")
    kind = "own" if is_project else "box"
    return [
        f'<rect class="{kind}" x="{BAR_LEFT}" y="{y}" width="{width}" '
        f'height="{LINE_HEIGHT - 5}" rx="2"/>',
        text(BAR_LEFT + width + 6, y + 12, label, "quiet"),
    ]


def text(x: int, y: int, content: str, kind: str = "") -> str:
    """Write a line."""
    classes = f' class="{kind}"' if kind else ""
    return f'<text{classes} x="{x}" y="{y}">{escape(content)}</text>'
