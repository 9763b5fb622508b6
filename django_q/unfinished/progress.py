"""How far a task has got, in words: the same on pages and in terminals."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

#: The width of a bar in a terminal, and what it is made of; ASCII, as a terminal may know no more.
BAR_LENGTH = 8
BAR_DONE, BAR_LEFT = "#", "."


def progress_share(done: float | None, total: float | None) -> float | None:
    """Return how much is done, from 0 to 1; None where nobody knows it."""
    if done is None or not total or total < 0 or not (isfinite(done) and isfinite(total)):
        return None
    return min(max(done / total, 0.0), 1.0)


def progress_text(done: float | None, total: float | None) -> str:
    """Write how much is done, as in "250/1000 25%"; empty where the task does not say it."""
    if done is None:
        return ""
    share = progress_share(done, total)
    if share is None:
        return number_text(done)
    # Not rounded up: what is not done yet is not called done.
    return f"{number_text(done)}/{number_text(total)} {int(share * 100)}%"


def progress_bar(done: float | None, total: float | None) -> str:
    """Draw how much is done, as in "[##......]"; empty where nobody knows it."""
    share = progress_share(done, total)
    if share is None:
        return ""
    filled = int(share * BAR_LENGTH)
    return f"[{BAR_DONE * filled}{BAR_LEFT * (BAR_LENGTH - filled)}]"


def number_text(number: float | None) -> str:
    """Write a number, without decimals where it has none."""
    if number is None or not isfinite(number):
        return "?"
    return str(int(number)) if number == int(number) else f"{number:.6g}"


def progress_of(run: Mapping[str, Any]) -> tuple[float | None, float | None, str]:
    """Return done, total and note of a task that runs, as its heartbeat tells of it."""
    return run.get("done"), run.get("total"), run.get("note") or ""
