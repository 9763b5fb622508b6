"""Arguments and exit codes of commands that are for scripts."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from math import isfinite

#: Exit codes as grep has them: nothing was found, and something is wrong.
NOTHING_FOUND_CODE, ERROR_CODE = 1, 2


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Make a reader of numbers above 0."""

    def read(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = 0
        if not isfinite(number) or number <= 0:
            raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
        return number

    return read
