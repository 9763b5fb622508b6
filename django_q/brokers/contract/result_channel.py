"""Tell callers in other processes that tasks have ended: the interface of what carries that.

What is told is a hint. Whoever waits looks for the result itself, when told and once a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5

from django_q.exceptions import DjangoQError

#: Told where it is not known what has ended: all who wait look.
ANY_MARK = "*"
#: Characters of a mark: so few that one of another task is met now and then, which costs a look.
MARK_LENGTH = 12


class ChannelFailed(DjangoQError):
    """Raised when a server is away, or refuses, that would tell of results. Says which, and why."""


def mark_of(name: object) -> str:
    """Make the mark that stands for the id or name of a task, or for a group."""
    text = str(name).encode(errors="surrogatepass")
    return md5(text, usedforsecurity=False).hexdigest()[:MARK_LENGTH]


class Subscription:
    """Hears of tasks that end. It counts as a caller that waits, until it is closed."""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when something was told."""
        raise NotImplementedError

    def read(self) -> set[str]:
        """Read the marks that were told, without waiting. Raises ``ChannelFailed``."""
        raise NotImplementedError

    def close(self) -> None:
        """End it."""
        raise NotImplementedError


class ResultChannel:
    """The way from the monitors of a project to those who wait for results."""

    #: Whether monitors must tell: not where a change of the database is noticed by itself.
    needs_telling = True

    def tell(self, marks: Sequence[str]) -> bool:
        """Tell what has ended, if somebody waits. Returns whether somebody does.

        Raises ``ChannelFailed``.
        """
        raise NotImplementedError

    def subscribe(self) -> Subscription | None:
        """Begin to hear; None where that can not be. Raises ``ChannelFailed``."""
        raise NotImplementedError
