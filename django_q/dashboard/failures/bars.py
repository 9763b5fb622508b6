"""Bars of an SVG image, drawn by the server: no script, no style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

#: In units of the image: from one bar to the next, the gap, the height, and the lowest bar.
BAR_STEP, BAR_GAP, BARS_HEIGHT, MIN_BAR_HEIGHT = 5, 1, 24, 2


def bars(numbers: Sequence[int], label: Any, unknown: int = 0) -> SafeString:
    """Draw a bar for each number; ``label`` tells the same to who does not see it.

    The first ``unknown`` of them are marked as such: nobody has counted there.
    """
    highest = max(*numbers, 1)
    drawn = [bar(index, number, highest) for index, number in enumerate(numbers) if number]
    width = len(numbers) * BAR_STEP
    return format_html(
        '<svg class="dash-bars" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}<path class="dash-axis" d="M0 {}H{}"/>{}</svg>',
        *(width, BARS_HEIGHT, label),
        uncounted(unknown),
        *(BARS_HEIGHT, width),
        format_html_join("", '<rect x="{}" y="{}" width="{}" height="{}"/>', drawn),
    )


def bar(index: int, number: int, highest: int) -> tuple[int, int, int, int]:
    """Return place and size of a bar: left, top, width and height."""
    height = max(round(BARS_HEIGHT * number / highest), MIN_BAR_HEIGHT)
    return index * BAR_STEP, BARS_HEIGHT - height, BAR_STEP - BAR_GAP, height


def uncounted(hours: int) -> SafeString:
    """Draw what was not counted."""
    if not hours:
        return SafeString("")
    text = '<rect class="dash-uncounted" x="0" y="0" width="{}" height="{}"/>'
    return format_html(text, hours * BAR_STEP, BARS_HEIGHT)
