from __future__ import annotations

from django_q.rollups.row_format import (
    MAX_COUNTED_FUNCTIONS,
    OTHER_FUNCTIONS,
    merge_row,
    to_text,
)
from django_q.rollups.run_counts import RunCounts


def runs(number, seconds=1.0):
    counts = RunCounts(number)
    for _ in range(number):
        counts.run.add(seconds)
        counts.wait.add(seconds / 10)
    return counts


def test_a_row_gives_back_what_was_counted():
    counts = {}
    text = to_text({("mail", "shop.pack"): runs(3), ("mail", "shop.send"): runs(2)})

    merge_row(counts, text)
    merge_row(counts, text)

    found = counts["mail", "shop.pack"]
    assert counts.keys() == {("mail", "shop.pack"), ("mail", "shop.send")}
    assert (found.runs, found.run.count, found.wait.count) == (6, 6, 6)


def test_a_row_has_a_bounded_number_of_functions_and_the_others_are_counted_together():
    counts = {("mail", f"shop.f{number}"): runs(number + 1) for number in range(80)}
    found = {}

    merge_row(found, to_text(counts))

    assert len(found) == MAX_COUNTED_FUNCTIONS + 1
    assert ("mail", "shop.f79") in found
    assert found["mail", OTHER_FUNCTIONS].runs == sum(range(1, 31))


def test_names_are_cut_and_have_nothing_that_a_database_refuses():
    found = {}

    merge_row(found, to_text({("mail", "f\x00\ud800" + "x" * 300): runs(1)}))

    ((_queue, func),) = found
    assert func == "f??" + "x" * 197
