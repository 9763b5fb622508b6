"""The share of failures: of the runs that are counted, or of the tasks that are in the table."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_q.alerts import failure_rate
from django_q.alerts.failure_rate import failure_findings
from django_q.models import Rollup, Task

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _uncounted(conf):
    """Count no runs; a test that does so says it."""
    conf(rollups=False)


NOON = datetime(2026, 12, 1, 12, tzinfo=timezone.utc)


def save(success: bool, *seconds_ago: float) -> None:
    """Save tasks that ended so many seconds before noon."""
    count = Task.objects.count()
    Task.objects.bulk_create(
        Task(
            id=f"{count + number:032}",
            name="a task",
            func="shop.tasks.send",
            started=NOON - timedelta(seconds=seconds),
            stopped=NOON - timedelta(seconds=seconds),
            success=success,
        )
        for number, seconds in enumerate(seconds_ago)
    )


def count(minutes_ago: int, runs: int, failed: int, func: str = "shop.tasks.send") -> None:
    """Add a row of what ended in a minute before noon, as the monitor of a cluster writes it."""
    at = int(NOON.timestamp()) - 60 * minutes_ago
    row = f'[["shop","{func}",{runs},{failed},[],[]]]'
    Rollup.objects.create(at=at, span=60, counts=row)


def found(**table: float) -> list[float | None]:
    """Evaluate the rule at noon; the shares that it finds."""
    table = {"above": 0.1, "seconds": 300, "min_tasks": 10, **table}
    return [finding.value for finding in failure_findings(table, NOON)]


def test_more_failures_than_the_limit_are_found():
    save(True, *range(1, 9))
    save(False, 1, 2)

    assert found() == [0.2]
    assert found(above=0.2) == []
    assert found(min_tasks=11) == []


def test_what_ended_before_does_not_count():
    save(True, *range(1, 11))
    save(False, *range(301, 320))

    assert found() == []


def test_successes_that_save_limit_has_deleted_do_not_raise_the_share(conf):
    # A thousand successes in five minutes, of which the last ten are kept, and 20 failures.
    conf(save_limit=10)
    save(True, *(number * 0.3 for number in range(10)))
    save(False, *range(10, 210, 10))

    assert found() == []
    assert found(above=0.01, min_tasks=1) == []


def test_no_share_is_told_where_no_success_is_saved(conf):
    conf(save_limit=-1)
    save(False, *range(1, 60))

    assert found() == []


def test_a_storm_of_failures_is_found_by_two_bounded_queries(monkeypatch, conf):
    conf(save_limit=0)
    monkeypatch.setattr(failure_rate, "MAX_READ_ROWS", 10)
    save(True, *range(1, 41))
    save(False, *(number * 0.5 for number in range(1, 41)))

    with CaptureQueriesContext(
        connection,
    ) as queries:
        shares = found(min_tasks=5)

    assert len(queries) == 2
    assert all("LIMIT 10" in query["sql"] for query in queries)
    # Ten failures in five seconds, and five successes.
    assert shares == [0.6667]


@pytest.mark.parametrize("save_limit", [-1, 250])
def test_runs_that_are_counted_are_compared_whether_successes_are_saved_or_not(conf, save_limit):
    conf(rollups=True, save_limit=save_limit)
    save(False, *range(1, 60))  # of 1,000 tasks that ended: a share below the limit
    count(2, 900, 39)
    count(4, 100, 20, func="shop.tasks.pack")

    assert found() == []
    assert found(above=0.05) == [0.059]
    assert found(above=0.05, min_tasks=1001) == []


def test_minutes_before_the_time_of_the_rule_do_not_count(conf):
    conf(rollups=True)
    count(6, 100, 100)
    count(3, 100, 20)

    assert found() == [0.2]


def test_the_last_minute_that_was_written_counts_for_a_short_time_too(conf):
    conf(rollups=True)
    count(2, 100, 20)

    assert found(seconds=20) == [0.2]
