"""Patterns of the search language: what is contained, or a whole name with wildcards.

Each is matched in time that grows with the text alone: what a wildcard has matched is never tried
again with another length, so no search can keep a server busy.
"""

from __future__ import annotations

import re
from collections.abc import Callable

#: A wildcard that stands for any text, and one that stands for a character.
ANY_TEXT, ANY_CHARACTER = "*", "?"
#: What the wildcard for a character stands for in a text, and in a word.
IN_TEXT, IN_WORD = ".", r"\w"

Matcher = Callable[[str], object]


def has_wildcards(text: str) -> bool:
    """Return True if a text has a wildcard."""
    return not {ANY_TEXT, ANY_CHARACTER}.isdisjoint(text)


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a regular expression. Case counts nowhere, and a dot is any character."""
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def parts_of(text: str, character: str) -> list[str]:
    """Write what stands between the wildcards for any text as regular expressions."""
    return [
        "".join(character if each == ANY_CHARACTER else re.escape(each) for each in part)
        for part in re.split(r"\*+", text)
    ]


def first_places(parts: list[str], character: str) -> str:
    """Match parts one after another, each at its first place behind the one before.

    If there is a match with a later place, there is one with the first. A group in a lookahead
    is not entered again once it has matched; Python 3.11 has ``(?>...)`` for it.
    """
    return "".join(
        f"(?=(?P<p{number}>{character}*?{part}))(?P=p{number})" for number, part in enumerate(parts)
    )


def whole(text: str, character: str) -> str:
    """Match a text with wildcards, from where it begins to where it ends."""
    first, *others = parts_of(text, character)
    if not others:
        return first
    return f"{first}{first_places(others[:-1], character)}{character}*{others[-1]}"


def name_matcher(text: str) -> Matcher:
    """Match names that contain a text; with wildcards the whole name, or its end behind a dot.

    Thus ``mail*`` matches ``mail.send`` and ``shop.mail.send``.
    """
    if not has_wildcards(text):
        return compiled(re.escape(text)).search
    return compiled(rf"(?:.*\.)?{whole(text, IN_TEXT)}").fullmatch


def exact_matcher(text: str) -> Matcher:
    """Match a name that is equal; with wildcards as ``name_matcher`` does."""
    return name_matcher(text) if has_wildcards(text) else text.__eq__


def word_matcher(text: str) -> Matcher:
    """Match texts that have a text as whole words: ``42`` is not in ``142``.

    Wildcards stand for parts of a word.
    """
    return compiled(rf"(?<!\w){whole(text, IN_WORD)}(?!\w)").search


def text_matcher(text: str) -> Matcher:
    """Match texts that contain a text; a wildcard stands for any characters."""
    parts = parts_of(text.strip(ANY_TEXT), IN_TEXT)
    if len(parts) == 1:
        return compiled(parts[0]).search
    return compiled(first_places(parts, IN_TEXT)).match
