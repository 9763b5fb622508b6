"""Merge rows that have become old into those of a longer span, and delete the oldest.

So the table has a bounded size: some hundred rows, and those of an hour of each cluster.
"""

from __future__ import annotations

from itertools import pairwise

from django.db import router, transaction

from django_q.models import DeployMark, Rollup
from django_q.rollups.row_format import merge_row, to_text
from django_q.rollups.run_counts import CountsByFunction
from django_q.rollups.spans import MARK_SECONDS, SPANS, Span

#: Rows that are merged at a time: after a long stop of all clusters there may be more.
MAX_MERGED_ROWS = 2000


class RowsTaken(Exception):
    """Raised when another cluster merges the same rows."""


def compact(now: float) -> None:
    """Merge and delete what is old; each step in a transaction of its own."""
    for span, longer in pairwise(SPANS):
        try:
            merge_old(span, longer, now)
        except RowsTaken:
            return  # the other one goes on
    alias = router.db_for_write(Rollup)
    Rollup.objects.using(alias).filter(at__lt=now - SPANS[-1].kept)._raw_delete(alias)
    DeployMark.objects.using(alias).filter(at__lt=now - MARK_SECONDS)._raw_delete(alias)


def merge_old(span: Span, longer: Span, now: float) -> None:
    """Merge the old rows of one span into those of the next.

    Raises ``RowsTaken`` where another cluster has merged some of them: nothing counts twice.
    """
    alias = router.db_for_write(Rollup)
    end = (now - span.kept) // longer.seconds * longer.seconds
    rows = Rollup.objects.using(alias).filter(span=span.seconds, at__lt=end).order_by("at")
    found = list(rows.values_list("id", "at", "counts")[:MAX_MERGED_ROWS])
    if not found:
        return
    merged: dict[int, CountsByFunction] = {}
    for _id, at, counts in found:
        merge_row(merged.setdefault(at // longer.seconds * longer.seconds, {}), counts)
    longer_rows = [
        Rollup(at=at, span=longer.seconds, counts=to_text(counts)) for at, counts in merged.items()
    ]
    with transaction.atomic(using=alias):
        ids = [row_id for row_id, _at, _counts in found]
        if Rollup.objects.using(alias).filter(pk__in=ids).delete()[0] != len(ids):
            raise RowsTaken
        Rollup.objects.using(alias).bulk_create(longer_rows)
