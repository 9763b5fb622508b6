"""The order in which a broker may deliver what is due, read from the model."""

from __future__ import annotations

from itertools import combinations


def is_lost(message):
    """Return True for what was leased when its lease ended."""
    return message.is_leased


def is_moved(message):
    """Return True for a plain task that was delayed or released: it may come at any place."""
    return message.terms is None and message.due != message.since


def must_precede(one, other):
    """Return True if one message that is due has to be delivered before another.

    What has lost its lease may come first of all, or in its priority. Plain tasks and those with
    terms of the priority 0 may take turns.
    """
    if is_lost(other) or is_moved(one) or is_moved(other):
        return False
    if is_lost(one):
        return one.priority > other.priority
    if one.priority != other.priority:
        return one.priority > other.priority
    return (one.terms is None) == (other.terms is None) and one.number < other.number


def is_oldest(message, due):
    """Return True for the oldest of those with terms, or of those without."""
    same = [each for each in due if (each.terms is None) == (message.terms is None)]
    return message.number == min(each.number for each in same)


def misplaced(taken, due):
    """Find two messages that were taken in the wrong order, or one that was left behind another."""
    left = [each for each in due if each not in taken]
    pairs = [*combinations(taken, 2), *((one, other) for one in taken for other in left)]
    return next(((one, other) for one, other in pairs if must_precede(other, one)), None)
