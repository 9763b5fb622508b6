"""The rule ``failure_rate``: the share of what failed, of all that ended lately.

Clusters count all runs for the charts. Where the setting ``rollups`` is off, only tasks that are
saved can be counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from django_q.alerts.finding import Finding
from django_q.alerts.rules import DEFAULT_FAILURE_SECONDS, DEFAULT_MIN_TASKS, FAILURE_RATE
from django_q.conf import Conf
from django_q.models import Task
from django_q.models.task import HAS_ENDED, with_outcome
from django_q.rollups.reading import count_runs
from django_q.rollups.spans import MINUTE

#: Rows that are read of each outcome at most, the latest.
MAX_READ_ROWS = 1000
#: Seconds over which runs are added up at least: their row is written once their minute is over.
MIN_COUNTED_SECONDS = 2 * MINUTE


class Outcomes(NamedTuple):
    """How runs, or saved tasks, ended since a moment."""

    since: datetime
    successes: int
    failures: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.successes + self.failures

    @property
    def failure_share(self) -> float:
        """The share of those that failed."""
        return self.failures / self.total if self.total else 0.0


def failure_findings(table: Mapping, now: datetime) -> Iterator[Finding]:
    """Find whether more failed than ``table["above"]``, a share of all."""
    if not Conf.ROLLUPS and Conf.SAVE_LIMIT < 0:  # no success is counted or saved
        return
    seconds = table.get("seconds", DEFAULT_FAILURE_SECONDS)
    count, counted = (
        (count_ended_runs, "runs") if Conf.ROLLUPS else (count_saved_tasks, "saved tasks")
    )
    outcomes = count(now, seconds)
    if outcomes.total < table.get("min_tasks", DEFAULT_MIN_TASKS):
        return
    if (share := outcomes.failure_share) > table["above"]:
        span = (now - outcomes.since).total_seconds()
        text = (
            f"{outcomes.failures} of the {outcomes.total} {counted} that ended in the last "
            f"{max(span, 1):.0f} seconds failed: {share:.0%}, above {table['above']:.0%}."
        )
        yield Finding(FAILURE_RATE, "", text, round(share, 4))


def count_ended_runs(now: datetime, seconds: float) -> Outcomes:
    """Count the runs of whole minutes, each attempt of a task, from the one that far ago on."""
    begin = int(now.timestamp() - max(seconds, MIN_COUNTED_SECONDS)) // MINUTE * MINUTE
    runs, failed = count_runs(begin)
    return Outcomes(datetime.fromtimestamp(begin, timezone.utc), runs - failed, failed)


def count_saved_tasks(now: datetime, seconds: float) -> Outcomes:
    """Count successes and failures of that time, or of a shorter one of which all are known.

    At most 1,000 rows of each outcome are read, by the index of their ends. Where there are more,
    or where ``save_limit`` may have deleted some, those that ended earlier are not counted, neither
    successes nor failures: so the share is that of a shorter time, and is right for it.
    """
    since = now - timedelta(seconds=seconds)
    successes, failures = latest_ends(True, since), latest_ends(False, since)
    limit = min(MAX_READ_ROWS, Conf.SAVE_LIMIT if Conf.SAVE_LIMIT > 0 else MAX_READ_ROWS)
    begins = [since]
    begins += successes[-1:] if len(successes) >= limit else []
    begins += failures[-1:] if len(failures) >= MAX_READ_ROWS else []
    begin = max(begins)
    return Outcomes(
        begin,
        sum(stopped >= begin for stopped in successes),
        sum(stopped >= begin for stopped in failures),
    )


def latest_ends(success: bool, since: datetime) -> list[datetime]:
    """List when the latest tasks of an outcome ended, the latest first."""
    rows = with_outcome(Task.objects.filter(HAS_ENDED, stopped__gte=since), success=success)
    return list(rows.order_by("-stopped").values_list("stopped", flat=True)[:MAX_READ_ROWS])
