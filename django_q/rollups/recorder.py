"""The recorder of a monitor: counts runs in memory, and writes a row for each minute."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import router

from django_q.completion.finished_task import FinishedTask
from django_q.conf import Conf, logger
from django_q.exceptions import contain_error
from django_q.models import Rollup
from django_q.rollups.compaction import compact
from django_q.rollups.row_format import to_text
from django_q.rollups.run_counts import CountsByFunction, count_run
from django_q.rollups.short_runs import SentRuns, merge_sent
from django_q.rollups.spans import MINUTE
from django_q.task_state.attempts import is_time
from django_q.text.error_text import error_summary

#: Minutes that are kept in memory at most while they can not be written.
MAX_UNWRITTEN_MINUTES = 15
#: Seconds between two looks for rows to merge, of which chance takes up to half.
COMPACTION_SECONDS = 600


class RunRecorder:
    """Counts what ends, by the minute. Nothing here raises: charts are worth no result."""

    def __init__(self) -> None:
        self.minutes: dict[int, CountsByFunction] = {}
        self.can_write = True  # the last time
        self.compaction_at = time.time() + random.uniform(MINUTE, COMPACTION_SECONDS)

    def record(self, tasks: Sequence[FinishedTask]) -> None:
        """Count the runs of tasks, once they are completed."""
        if not (Conf.ROLLUPS and tasks):
            return
        counts = self.current_counts()
        for task in tasks:
            try:
                count_run(counts, task.package, run_seconds(task.package))
            except BaseException as error:  # receivers of signals may have put anything there
                contain_error(error)
                logger.debug("a run is not counted: %s", error_summary(error))

    def record_receipts(self, sent: Sequence[SentRuns]) -> None:
        """Count the runs of which workers have sent receipts alone."""
        if not sent:
            return
        counts = self.current_counts()
        for runs in sent:
            merge_sent(counts, Conf.CLUSTER_NAME, runs)

    def current_counts(self) -> CountsByFunction:
        """Return the counts of this minute."""
        return self.minutes.setdefault(int(time.time()) // MINUTE, {})

    def write_ended(self) -> float | None:
        """Write the minutes that are over. Returns in how many seconds to do so again, or None."""
        if not self.minutes:
            return None
        now = time.time()
        if ended := [minute for minute in self.minutes if minute < now // MINUTE]:
            self.write(ended)
            self.compact_if_due(now)
        return MINUTE - now % MINUTE if self.minutes else None

    def write_all(self) -> None:
        """Write all minutes, the last as well."""
        self.write(list(self.minutes))

    def write(self, minutes: Sequence[int]) -> None:
        """Write a row for each minute, by one statement; they stay in memory where that fails."""
        if not minutes:
            return
        try:
            rows = [
                Rollup(at=minute * MINUTE, span=MINUTE, counts=to_text(self.minutes[minute]))
                for minute in minutes
            ]
            Rollup.objects.using(router.db_for_write(Rollup)).bulk_create(rows)
        except Exception as error:
            level = logging.WARNING if self.can_write else logging.DEBUG  # once
            logger.log(level, "counts of runs are not written yet: %s", error_summary(error))
            self.can_write = False
            for minute in sorted(self.minutes)[:-MAX_UNWRITTEN_MINUTES]:
                del self.minutes[minute]
            return
        self.can_write = True
        for minute in minutes:
            del self.minutes[minute]

    def compact_if_due(self, now: float) -> None:
        """Merge old rows, now and then."""
        if now < self.compaction_at:
            return
        self.compaction_at = now + random.uniform(COMPACTION_SECONDS / 2, COMPACTION_SECONDS)
        try:
            compact(now)
        except Exception as error:
            logger.warning("old counts of runs are not merged yet: %s", error_summary(error))


def run_seconds(package: Mapping[str, Any]) -> float | None:
    """Return how long a task has run; None where nobody knows it."""
    begun = package.get("begun")
    return package["stopped"].timestamp() - begun if is_time(begun) else None
