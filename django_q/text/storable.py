"""Texts as databases and servers can store them.

A lone surrogate, as in the name of a file that is not UTF-8, can not be encoded at all. PostgreSQL
takes no NUL.
"""

from __future__ import annotations

import re

LONE_SURROGATES = re.compile("[\ud800-\udfff]")
LONE_SURROGATES_AND_NUL = re.compile("[\ud800-\udfff\x00]")


def storable_text(text: str, takes_nul: bool) -> str:
    """Replace by question marks what a database does not take."""
    return (LONE_SURROGATES if takes_nul else LONE_SURROGATES_AND_NUL).sub("?", text)


def storable_key(text: str) -> str:
    """Escape what a server does not take, so that different texts stay different keys."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\x00")
