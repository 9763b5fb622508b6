"""The order in which a broker may deliver what is due, read from the model."""

from __future__ import annotations

from itertools import combinations


def is_lost(message):
    """Return True for what was leased when its lease ended."""
    return message.is_leased


def is_moved(message):
    """Return True for what was delayed, released or replaced."""
    return message.due != message.since or message.fence > 0


def must_precede(one, other):
    """Return True if one message that is due has to be delivered before another.

    What has lost its lease may come first of all, or in its priority; what was delayed or released
    by its age, or by when it came due, and without terms anywhere. Plain tasks and those with terms
    of the priority 0 may take turns.
    """
    if is_lost(other) or any(is_moved(each) and not each.terms for each in (one, other)):
        return False
    if one.priority != other.priority:
        return one.priority > other.priority
    is_by_age = not (is_lost(one) or is_moved(one) or is_moved(other))
    return is_by_age and (not one.terms) == (not other.terms) and one.number < other.number


def may_be_oldest(message, due):
    """Return True for the oldest of those with terms, or of those without."""
    rivals = (
        each for each in due if not is_moved(each) and (not each.terms) == (not message.terms)
    )
    return is_moved(message) or message.number == min(each.number for each in rivals)


def misplaced(taken, due):
    """Find two messages that were taken in the wrong order, or one that was left behind another."""
    left = [each for each in due if each not in taken]
    pairs = [*combinations(taken, 2), *((one, other) for one in taken for other in left)]
    return next(((one, other) for one, other in pairs if must_precede(other, one)), None)
