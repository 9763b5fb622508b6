"""What became of tasks that were cancelled, in words: the same on pages and in terminals."""

from __future__ import annotations

from collections import Counter

from django.utils.translation import ngettext

from django_q.orders.cancelling import ENDED, REMOVED, REQUESTED, UNKNOWN


def answer_texts(answers: Counter[str]) -> dict[str, str]:
    """Say for each answer what it means of so many tasks."""
    held, unknown = answers[REQUESTED], answers[UNKNOWN]
    return {
        REMOVED: ngettext(
            "%d task is cancelled and does not begin.",
            "%d tasks are cancelled and do not begin.",
            answers[REMOVED],
        ),
        REQUESTED: ngettext(
            "%d task is held by a cluster, which was told to cancel it. It may still end.",
            "%d tasks are held by clusters, which were told to cancel them. They may still end.",
            held,
        ),
        ENDED: ngettext("%d task had ended before.", "%d tasks had ended before.", answers[ENDED]),
        UNKNOWN: ngettext(
            "%d task was not found. If it waits, it is cancelled when a cluster takes it.",
            "%d tasks were not found. Those that wait are cancelled when a cluster takes them.",
            unknown,
        ),
    }
