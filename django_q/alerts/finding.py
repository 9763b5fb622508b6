"""What a rule has found."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """Something that is beyond the limit of a rule."""

    rule: str
    #: A queue, the id of a schedule, or empty for the whole.
    subject: str
    #: One sentence, in English as the log.
    text: str
    value: float | None = None
