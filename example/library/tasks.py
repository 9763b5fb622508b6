"""The work of the library. These are plain functions: a worker calls them as anyone may."""

from __future__ import annotations

import hashlib
import re
import tokenize
from collections import Counter
from pathlib import Path

from django.conf import settings
from PIL import Image, ImageDraw

#: Shorter words say little about a text.
SHORT_WORD_LENGTH = 4

#: Tokens that are not code.
NON_CODE_TOKENS = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}

BACKGROUND_COLOUR, TEXT_COLOUR, BAR_COLOUR = "#ffffff", "#222222", "#44b78b"


def count_words(path: str) -> dict:
    """Count the words of a text, and find the one it uses most."""
    text = (settings.PROJECT / path).read_text(encoding="utf-8")
    words = re.findall(r"[^\W\d_]+", text.lower())
    common = Counter(word for word in words if len(word) > SHORT_WORD_LENGTH).most_common(1)
    favourite, times = common[0] if common else ("", 0)
    return {
        "lines": text.count("\n"),
        "words": len(words),
        "distinct": len(set(words)),
        "favourite": favourite,
        "times": times,
    }


def count_code(path: str) -> int:
    """Count the lines of a Python file that hold code."""
    with tokenize.open(settings.PROJECT / path) as file:
        tokens = list(tokenize.generate_tokens(file.readline))
    return len({token.start[0] for token in tokens if token.type not in NON_CODE_TOKENS})


def draw_chart(folder: str, target: str) -> dict:
    """Draw how much code the largest files of a folder hold; say where the picture is."""
    files = names(Path(folder), "**/*.py")
    sizes = sorted(((count_code(path), path) for path in files), reverse=True)[:12]
    image = Image.new("RGB", (1200, 40 * len(sizes) + 40), BACKGROUND_COLOUR)
    draw = ImageDraw.Draw(image)
    for row, (size, path) in enumerate(sizes):
        top = 40 * row + 24
        draw.text((20, top), f"{path}  {size}", fill=TEXT_COLOUR, font_size=18)
        draw.rectangle((480, top, 480 + 690 * size // sizes[0][0], top + 24), fill=BAR_COLOUR)
    image.save(settings.DATA / target)
    return {"file": target, "size": image.size}


def make_thumbnail(source: str, target: str, width: int) -> dict:
    """Make a smaller picture of a picture of the project."""
    with Image.open(settings.PROJECT / source) as image:
        image.thumbnail((width, image.height))
        image.save(settings.DATA / target)
        return {"file": target, "size": image.size}


def fingerprint(folder: str) -> str:
    """Hash the Python files of a folder, one after the other."""
    digest = hashlib.sha256()
    for path in names(Path(folder), "**/*.py"):
        digest.update((settings.PROJECT / path).read_bytes())
    return digest.hexdigest()


def look_for_an_odd_perfect_number() -> int:
    """Search where nobody has found anything yet; only a time limit ends it."""
    number = 1
    while sum(divisor for divisor in range(1, number) if number % divisor == 0) != number:
        number += 2
    return number


def texts() -> list[str]:
    """Name the texts of the project."""
    return names(Path(), "*.rst", "*.md") + names(Path("docs"), "**/*.rst", "**/*.md")


def pictures() -> list[str]:
    """Name the pictures of the documentation."""
    return names(Path("docs/images"), "*.png")


def sources() -> list[str]:
    """Name the Python files of the package."""
    return names(Path("django_q"), "**/*.py")


def names(folder: Path, *patterns: str) -> list[str]:
    """Name the files of a folder of the project that hold anything."""
    found = {path for pattern in patterns for path in (settings.PROJECT / folder).glob(pattern)}
    files = sorted(path for path in found if path.is_file() and path.stat().st_size)
    return [path.relative_to(settings.PROJECT).as_posix() for path in files]
