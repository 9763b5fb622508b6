"""The summary of qinfo, before it is printed."""

from __future__ import annotations

from typing import Any

import pytest

from django_q.terminal import report
from django_q.terminal.drawing.table import fit_row
from tests.unit.terminal.row_texts import texts


def facts(**values: Any) -> dict[str, Any]:
    """Make what a report is laid out from."""
    defaults = {
        "version": "2.0.0",
        "name": "shop",
        "broker": "Redis 7",
        "clusters": [{"workers": [1, 2], "reincarnations": 1}] * 2,
        "queues": [],
        "running": [],
        "queued": 3,
        "locked": 2,
        "dead": 0,
        "successes": 250,
        "failures": 4,
        "schedules": 5,
        "last_24_hours": {"tasks": 48, "average_seconds": 0.12345},
    }
    return {**defaults, **values}


def test_the_summary_tells_clusters_queue_and_results():
    title, _blank, *rows, _blank, _queues = report.rows(facts())

    assert texts(title) == ["-- Shop 2.0.0 on Redis 7 --"]
    assert [texts(row) for row in rows] == [
        ["Clusters", "2", "Workers", "4", "Restarts", "2"],
        ["Queued", "3(2)", "Successes", "250", "Failures", "4"],
        ["Schedules", "5", "Tasks/hour", "2.00", "Avg time", "0.1235"],
    ]


def test_the_summary_of_a_database_that_is_down_says_so():
    silent = dict.fromkeys(("successes", "failures", "schedules", "last_24_hours"))

    rows = report.rows(facts(**silent))

    assert texts(rows[3]) == ["Queued", "3(2)", "Successes", "?", "Failures", "?"]
    assert texts(rows[4]) == ["Schedules", "?", "Tasks/day", "?", "Avg time", "?"]


@pytest.mark.parametrize(
    ("tasks", "unit", "rate"),
    [
        (0, "Tasks/day", 0),
        (23, "Tasks/day", 23),
        (24, "Tasks/hour", 1),
        (1440, "Tasks/minute", 1),
        (172_800, "Tasks/second", 2),
    ],
)
def test_a_rate_is_told_in_the_smallest_unit_that_has_a_task(tasks, unit, rate):
    assert report.rate_per_unit(tasks) == (unit, rate)


def run(**values: Any) -> dict[str, Any]:
    """Describe a task that runs, as ``runs_as_dicts`` does."""
    defaults = {"seconds": 65, "func": "shop.send", "name": "four-words", "note": "",
                "ends": [], "ended_count": 0, "retries": None, "done": None, "total": None,
                "cancelled": ""}  # fmt: skip
    return {**defaults, **values}


def test_what_runs_is_told_with_its_progress():
    _blank, title, half, unknown = report.running_rows(
        [run(done=250, total=500), run(done=7, name="other-words")]
    )

    assert texts(title) == ["Time", "Progress", "Function", "Name"]
    assert texts(half) == ["0:01:05", "[####....] 50%", "shop.send", "four-words"]
    assert texts(unknown) == ["0:01:05", "7", "shop.send", "other-words"]
    shown = "".join(text for text, _style in fit_row(half, 80))
    assert "[####....] 50%  shop.send" in shown
    assert len(shown) <= 80


def test_notes_attempts_and_cancels_have_lines_of_their_own():
    end = {"exception": "shop.errors.Refused"}
    told = run(note="at \x1b[2J", ends=[end], ended_count=2, retries=4, cancelled="cancelled by a")

    _blank, _title, _task, *lines = report.running_rows([told])

    assert [texts(line) for line in lines] == [
        ["  at \\x1b[2J"],
        ["  attempt 3 of 5, the last failed: Refused"],
        ["  cancelled by a"],
    ]


def test_of_many_tasks_that_run_the_longest_are_shown():
    rows = report.running_rows([run()] * 25)

    assert len(rows) == 23
    assert texts(rows[-1]) == ["5 more rows"]


def test_nothing_is_told_of_tasks_where_none_runs():
    assert report.running_rows([]) == []
