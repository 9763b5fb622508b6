"""Convert settings that are text, as from environment variables, to their types."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any, Union, get_args, get_origin

BOOLEAN_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
BOOLEAN_DIGITS = {"1": True, "0": False}


def as_typed(value: Any, hint: Any) -> Any:
    """Convert a text to one of the types of ``hint``; return anything else as it is."""
    if not isinstance(value, str):
        return value
    kinds = get_args(hint) if get_origin(hint) is Union or get_args(hint) else (hint,)
    word = value.strip().lower()
    if bool in kinds and word in BOOLEAN_WORDS:
        return BOOLEAN_WORDS[word]
    if str in kinds:
        return value
    if word in ("", "none") and type(None) in kinds:
        return None
    for kind in (int, float):
        if kind in kinds or (kind is int and float in kinds):
            with suppress(ValueError):
                number = kind(word)
                return number if math.isfinite(number) else value
    return BOOLEAN_DIGITS.get(word, value) if bool in kinds else value
