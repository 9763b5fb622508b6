"""The summary of qinfo, before it is printed."""

from __future__ import annotations

from typing import Any

import pytest

from django_q.terminal import report
from tests.unit.terminal.row_texts import texts


def facts(**values: Any) -> dict[str, Any]:
    """Make what a report is laid out from."""
    defaults = {
        "version": "2.0.0",
        "name": "shop",
        "broker": "Redis 7",
        "clusters": [{"workers": [1, 2], "reincarnations": 1}] * 2,
        "queues": [],
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
