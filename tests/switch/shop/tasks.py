"""What the shop has clusters do."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

DIRECTORY = Path(os.environ["SHOP_DIRECTORY"])


def note(file: str, text: Any) -> None:
    """Add a line to a file of the shop, whole, whoever writes at the same time."""
    with open(DIRECTORY / file, "a") as lines:
        lines.write(f"{text}\n")


def add(first: float, second: float = 0) -> float:
    """Return a sum."""
    return first + second


def echo(*args: Any, **kwargs: Any) -> tuple:
    """Return what came in."""
    return args, kwargs


def refuse(text: str = "out of stock") -> None:
    """Fail."""
    raise ValueError(text)


def sell(number: int, seconds: float = 0) -> int:
    """Leave a trace: what was run twice stands there twice."""
    note("sold", number)
    time.sleep(seconds)
    return number


def sell_nothing(number: int) -> None:
    """Leave a trace and fail."""
    note("sold", number)
    raise ValueError("out of stock")


def sleep_for(seconds: float) -> float:
    """Return after a while."""
    time.sleep(seconds)
    return seconds


def until_repaired(what: str) -> str:
    """Fail until somebody has noted the repair."""
    repaired = DIRECTORY / "repaired"
    if not repaired.exists() or what not in repaired.read_text().split():
        raise ValueError(f"{what} is broken")
    return what


def ring(task: Any) -> None:
    """Note a finished task: the hook of others."""
    note("rung", f"{task.name} {task.success}")
