"""Wait until a page in the browser shows something."""

from __future__ import annotations

from typing import Any

from tests.waiting import DEADLINE

#: Of a second: the browser counts in these.
MILLISECONDS = 1000


def wait_for(page: Any, text: str) -> None:
    """Wait until a page shows a text."""
    page.get_by_text(text).first.wait_for(timeout=DEADLINE * MILLISECONDS)
