"""Charts as SVG images, drawn by the server: no script, and no style but that of classes.

Places are percentages of an image without a view box. So it may be as wide as its place on the
page, and its texts keep their size. What the lines of the grid say is an image of its own, beside
the plot, as a margin of a fixed width is no percentage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

#: Percentages of the height: where the plot begins and ends. Marks are above, the axis below it.
PLOT_TOP, PLOT_BOTTOM = 10.0, 88.0
#: Units of the box that lines are drawn in, which is stretched.
LINE_BOX = 1000
#: Percentages of the width: between two marks that are both labelled; where a label is drawn on
#: the left of its mark; from the edges of the image to a label of the axis.
MARK_DISTANCE, MARK_TURN, AXIS_MARGIN = 12.0, 80.0, 4.0
#: Characters of a mark that are drawn.
MAX_MARK_CHARACTERS = 14
#: The share of a step that its bar is wide.
BAR_SHARE = 0.8


class Frame(NamedTuple):
    """What all charts of a page share, drawn once."""

    #: What the axis says below the steps.
    axis: SafeString
    marks: SafeString
    #: What the mouse meets.
    hints: SafeString


def draw_frame(
    axis: Sequence[str], hints: Sequence[str], marks: Sequence[tuple[float, str]]
) -> Frame:
    """Draw what charts share.

    ``axis`` and ``hints`` are of each step, mostly and maybe empty. Marks are from 0 to 1.
    """
    return Frame(axis_texts(axis), mark_lines(marks), hint_areas(hints))


def chart(frame: Frame, grid: Sequence[tuple[float, str]], plot: SafeString, label: Any) -> Any:
    """Draw a chart and its scale; ``label`` tells the same to who does not see it."""
    return format_html(
        '<div class="dash-plot">{}<svg class="dash-chart" role="img" aria-label="{}">'
        "{}{}{}{}{}</svg></div>",
        *(scale_texts(grid), label, grid_lines(grid)),
        *(frame.axis, plot, frame.marks, frame.hints),
    )


def height_of(share: float) -> float:
    """Return the place of a share of the plot, as a percentage from the top."""
    return round(PLOT_BOTTOM - share * (PLOT_BOTTOM - PLOT_TOP), 2)


def shapes(form: str, places: Iterable[tuple[float, ...]]) -> SafeString:
    """Draw a shape at each place; nothing but numbers is in them, so that nothing is escaped."""
    return mark_safe("".join([form.format(*place) for place in places]))


def grid_lines(grid: Iterable[tuple[float, str]]) -> SafeString:
    """Draw the lines of the grid."""
    line = '<line x1="0" x2="100%" y1="{0}%" y2="{0}%"/>'
    shares = (0.0, *(share for share, _text in grid))
    drawn = shapes(line, ((height_of(share),) for share in shares))
    return format_html('<g class="dash-grid">{}</g>', drawn)


def scale_texts(grid: Iterable[tuple[float, str]]) -> SafeString:
    """Write what the lines of the grid say, each beside its line."""
    written = '<text x="100%" y="{}%" dx="-6" dy="4">{}</text>'
    drawn = format_html_join("", written, ((height_of(share), text) for share, text in grid))
    return format_html('<svg class="dash-scale" aria-hidden="true">{}</svg>', drawn)


def axis_texts(axis: Sequence[str]) -> SafeString:
    """Write what the axis says below the steps."""
    width = 100 / len(axis)
    texts = ((round((index + 0.5) * width, 2), text) for index, text in enumerate(axis) if text)
    shown = (each for each in texts if AXIS_MARGIN <= each[0] <= 100 - AXIS_MARGIN)
    drawn = format_html_join("", '<text x="{}%" y="99%">{}</text>', shown)
    return format_html('<g class="dash-axis-texts">{}</g>', drawn)


def bars_of(kind: str, shares: Sequence[float]) -> SafeString:
    """Draw a bar for each share that is not 0, in the class ``kind``."""
    width = 100 / len(shares)
    places = (
        (round(index * width, 2), height_of(share), round(PLOT_BOTTOM - height_of(share), 2))
        for index, share in enumerate(shares)
        if share
    )
    bar = f'<rect x="{{}}%" y="{{}}%" width="{width * BAR_SHARE:.2f}%" height="{{}}%"/>'
    return format_html('<g class="dash-{}">{}</g>', kind, shapes(bar, places))


def lines_of(lines: Iterable[tuple[str, Sequence[float | None]]]) -> SafeString:
    """Draw a line of steps for each kind and its shares; None leaves a gap."""
    paths = ((kind, path_of(shares)) for kind, shares in lines)
    return format_html(
        '<svg viewBox="0 0 {0} {0}" preserveAspectRatio="none" width="100%" height="{1}%" '
        'y="{2}%">{3}</svg>',
        *(LINE_BOX, PLOT_BOTTOM - PLOT_TOP, PLOT_TOP),
        format_html_join("", '<path class="dash-line dash-{}" d="{}"/>', paths),
    )


def path_of(shares: Sequence[float | None]) -> str:
    """Write the path of a line that is level within each step."""
    return "".join(path_parts(shares)) or "M0 0"


def path_parts(shares: Sequence[float | None]) -> Iterator[str]:
    """Yield the parts of the path."""
    width, is_drawn = LINE_BOX / len(shares), False
    for index, share in enumerate(shares):
        if share is not None:
            height = round((1 - share) * LINE_BOX)
            yield f"V{height}" if is_drawn else f"M{index * width:.0f} {height}"
            yield f"H{(index + 1) * width:.0f}"
        is_drawn = share is not None


def mark_lines(marks: Sequence[tuple[float, str]]) -> SafeString:
    """Draw marks, and write what they say where there is room."""
    drawn, labelled = [], -MARK_DISTANCE
    for share, text in marks:
        place = round(share * 100, 2)
        drawn.append(
            format_html('<line x1="{0}%" x2="{0}%" y1="0" y2="{1}%"/>', place, PLOT_BOTTOM)
        )
        if place - labelled >= MARK_DISTANCE:
            anchor, offset = ("end", -4) if place > MARK_TURN else ("start", 4)
            label = '<text x="{}%" y="10" dx="{}" text-anchor="{}">{}</text>'
            drawn.append(format_html(label, place, offset, anchor, text[:MAX_MARK_CHARACTERS]))
            labelled = place
    return format_html('<g class="dash-deploys">{}</g>', mark_safe("".join(drawn)))


def hint_areas(hints: Sequence[str]) -> SafeString:
    """Draw what the mouse meets: an area over each step, with its hint."""
    width = 100 / len(hints)
    places = ((round(index * width, 2), hint) for index, hint in enumerate(hints) if hint)
    area = f'<rect x="{{}}%" y="0" width="{width:.2f}%" height="100%"><title>{{}}</title></rect>'
    return format_html('<g class="dash-hints">{}</g>', format_html_join("", area, places))
