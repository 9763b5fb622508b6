"""How far a task has got, in words."""

from __future__ import annotations

import pytest

from django_q.unfinished.progress import progress_bar, progress_share, progress_text

INFINITE, NOT_A_NUMBER = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("done", "total", "text", "bar"),
    [
        (None, None, "", ""),
        (None, 10, "", ""),
        (7, None, "7", ""),
        (7, 0, "7", ""),
        (7, -1, "7", ""),
        (0, 4, "0/4 0%", "[........]"),
        (250, 1000, "250/1000 25%", "[##......]"),
        (2.5, 5.0, "2.5/5 50%", "[####....]"),
        (999, 1000, "999/1000 99%", "[#######.]"),
        (4, 4, "4/4 100%", "[########]"),
        (5, 4, "5/4 100%", "[########]"),
        (-1, 4, "-1/4 0%", "[........]"),
        (1, INFINITE, "1", ""),
    ],
)
def test_progress_is_told(done, total, text, bar):
    assert progress_text(done, total) == text
    assert progress_bar(done, total) == bar


@pytest.mark.parametrize("done", [INFINITE, NOT_A_NUMBER])
@pytest.mark.parametrize("total", [10, INFINITE, NOT_A_NUMBER])
def test_numbers_that_are_none_are_no_errors(done, total):
    assert progress_share(done, total) is None
    assert (progress_text(done, total), progress_bar(done, total)) == ("?", "")
