"""Patterns of the search language: what is contained, or a whole name with wildcards."""

from __future__ import annotations

import re
from collections.abc import Callable

#: The characters that stand for any text, and for any one character.
WILDCARDS = {"*": ".*", "?": "."}
#: The same in arguments, where they stand for parts of a word.
WORD_WILDCARDS = {"*": r"\w*", "?": r"\w"}

Matcher = Callable[[str], object]


def has_wildcards(text: str) -> bool:
    """Return True if a text has a wildcard."""
    return not WILDCARDS.keys().isdisjoint(text)


def translate(text: str, wildcards: dict[str, str]) -> str:
    """Write a text with wildcards as a regular expression."""
    return "".join(wildcards.get(character) or re.escape(character) for character in text)


def name_matcher(text: str) -> Matcher:
    """Match names that contain a text; with wildcards the whole name, or its end behind a dot.

    Thus ``mail*`` matches ``mail.send`` and ``shop.mail.send``. Case counts nowhere.
    """
    if not has_wildcards(text):
        return re.compile(re.escape(text), re.IGNORECASE).search
    pattern = rf"(?:.*\.)?{translate(text, WILDCARDS)}"
    return re.compile(pattern, re.IGNORECASE | re.DOTALL).fullmatch


def exact_matcher(text: str) -> Matcher:
    """Match a name that is equal; with wildcards as ``name_matcher`` does."""
    return name_matcher(text) if has_wildcards(text) else text.__eq__


def word_matcher(text: str) -> Matcher:
    """Match texts that have a text as whole words: ``42`` is not in ``142``."""
    pattern = rf"(?<!\w){translate(text, WORD_WILDCARDS)}(?!\w)"
    return re.compile(pattern, re.IGNORECASE).search


def text_matcher(text: str) -> Matcher:
    """Match texts that contain a text; a wildcard stands for any characters."""
    pattern = translate(text.strip("*"), WILDCARDS)
    return re.compile(pattern, re.IGNORECASE).search
