from __future__ import annotations

import pytest

from django_q.models import DeployMark, Rollup
from django_q.rollups import compaction
from django_q.rollups.compaction import RowsTaken, compact, merge_old
from django_q.rollups.spans import DAY, HOUR, SPANS
from tests.integration.rollups.rows import add_row, counted

pytestmark = pytest.mark.django_db

NOW = 1_800_000_000


def rows():
    return list(Rollup.objects.order_by("at", "span").values_list("at", "span"))


def test_minutes_become_longer_spans_as_they_get_older():
    for age in (10, 2 * HOUR, 2 * DAY, 10 * DAY):
        for _cluster in range(2):
            add_row((NOW - age) // 60 * 60)

    compact(NOW)

    spans = [span for _at, span in rows()]
    assert spans == [6 * HOUR, HOUR, 900, 60, 60]
    assert counted()["mail", "shop.pack"].runs == 8
    assert all(at % span == 0 for at, span in rows())


def test_what_is_older_than_the_longest_span_is_deleted_and_so_are_its_marks():
    for age in (34 * DAY, 36 * DAY):
        add_row(NOW - age)
        DeployMark.objects.create(at=NOW - age, text=str(age))

    compact(NOW)

    assert counted()["mail", "shop.pack"].runs == 1
    assert [mark.at for mark in DeployMark.objects.all()] == [NOW - 34 * DAY]


def test_a_year_of_minutes_leaves_a_bounded_number_of_rows():
    Rollup.objects.bulk_create(
        Rollup(at=NOW - 600 * number, span=60, counts="[]") for number in range(0, 6 * 24 * 60, 7)
    )

    for _ in range(5):
        compact(NOW)

    assert (
        Rollup.objects.count()
        <= sum(longer.kept // longer.seconds for longer in SPANS[1:]) + SPANS[0].kept // 600
    )


def test_rows_that_another_cluster_merges_at_the_same_time_count_once(monkeypatch):
    add_row(NOW - 2 * HOUR)

    def merge_first(counts, text):
        monkeypatch.undo()
        merge_old(SPANS[0], SPANS[1], NOW)

    monkeypatch.setattr(compaction, "merge_row", merge_first)
    with pytest.raises(RowsTaken):
        merge_old(SPANS[0], SPANS[1], NOW)

    assert counted()["mail", "shop.pack"].runs == 1
