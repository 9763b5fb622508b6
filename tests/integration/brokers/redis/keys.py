"""Keys of a queue, receipts, and words of the log."""

from __future__ import annotations

from django_q.conf import Conf


def key_of(name):
    """Name a key as the server has it."""
    queue = "django_q:test:q"
    named = {"q": queue, "mark": f"{queue}:once:key", "index": Conf.Q_STAT}
    return named.get(name, f"{queue}:{name}")
