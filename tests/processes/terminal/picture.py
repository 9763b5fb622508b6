"""A picture of a terminal: its screen as an SVG image, with text that can be selected."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from xml.sax.saxutils import escape

import pyte

#: Of a character, and of the frame around the screen, in units of the image.
CHARACTER_WIDTH, LINE_HEIGHT, MARGIN, FONT_SIZE = 8.4, 18, 14, 14
FOREGROUND, BACKGROUND = "#d8dee9", "#1b1f27"
#: As pyte names them.
COLOURS = {
    "default": FOREGROUND, "black": "#1b1f27", "red": "#e06c75", "green": "#98c379",
    "brown": "#e5c07b", "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2",
    "white": "#d8dee9",
}  # fmt: skip


def looks(character: pyte.screens.Char) -> tuple[str, str | None, bool]:
    """Return the colours of a character, and whether it is bold; None is the background's."""
    front = COLOURS.get(character.fg, FOREGROUND)
    back = None if character.bg == "default" else COLOURS.get(character.bg)
    if character.reverse:
        front, back = back or BACKGROUND, front
    return front, back, character.bold


def line_parts(screen: pyte.Screen, row: int) -> Iterator[str]:
    """Yield the rectangles and texts of a line."""
    column = 0
    characters = [screen.buffer[row][number] for number in range(screen.columns)]
    for (front, back, is_bold), group in groupby(characters, looks):
        text = "".join(character.data for character in group)
        left, top = MARGIN + column * CHARACTER_WIDTH, MARGIN + row * LINE_HEIGHT
        width = len(text) * CHARACTER_WIDTH
        column += len(text)
        if back:
            yield (
                f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{LINE_HEIGHT}" '
                f'fill="{back}"/>'
            )
        if text.strip():
            weight = ' font-weight="bold"' if is_bold else ""
            yield (
                f'<text x="{left:.1f}" y="{top + FONT_SIZE}" fill="{front}"{weight} '
                f'textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs" '
                f'xml:space="preserve">{escape(text)}</text>'
            )


def svg(screen: pyte.Screen, title: str) -> str:
    """Draw a screen."""
    width = round(screen.columns * CHARACTER_WIDTH + 2 * MARGIN)
    height = screen.lines * LINE_HEIGHT + 2 * MARGIN
    parts = [part for row in range(screen.lines) for part in line_parts(screen, row)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" font-size="{FONT_SIZE}" '
            'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>',
            *parts,
            "</svg>\n",
        ]
    )
