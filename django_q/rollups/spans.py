"""How long rows are kept, and of which spans they become then."""

from __future__ import annotations

from typing import NamedTuple

MINUTE, HOUR, DAY = 60, 3600, 86400


class Span(NamedTuple):
    """Rows of one length. All are seconds."""

    seconds: int
    #: How old rows get before they are merged into those of the next span, or deleted.
    kept: int


#: From the shortest, each as long as the steps of a chart. A day more or an hour more is kept than
#: a chart shows of it.
SPANS = (
    Span(MINUTE, HOUR + 15 * MINUTE),
    Span(15 * MINUTE, DAY + HOUR),
    Span(HOUR, 8 * DAY),
    Span(6 * HOUR, 35 * DAY),
)
#: How long marks of deploys are kept.
MARK_SECONDS = SPANS[-1].kept
