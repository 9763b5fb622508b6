"""The saved logs of tasks: written by the monitor, pruned by age and number, read by people."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from datetime import timezone as dt_timezone
from typing import Any

from django.db import router, transaction
from django.utils import timezone

from django_q.conf import Conf, logger
from django_q.exceptions import contain_error
from django_q.models import TaskLog
from django_q.task_logs.entry import LogEntry
from django_q.text.error_text import error_summary

#: Logs that are kept at most, however young they are: the latest ones.
MAX_LOGS = 20_000
#: Logs that are deleted at a time.
DELETED_AT_ONCE = 1000
#: Seconds between two looks for old ones.
PRUNING_INTERVAL = 60


class LogSaver:
    """Saves logs, and deletes old ones once a minute at most: there may be no scheduler."""

    def __init__(self) -> None:
        self.next_pruning = 0.0  # monotonic

    def save(self, items: Sequence[Any]) -> None:
        """Save the logs that are among results. Never raises."""
        entries = [item for item in items if isinstance(item, LogEntry)]
        if not entries:
            return
        save_logs(entries)
        if (now := time.monotonic()) >= self.next_pruning:
            pause = 0 if delete_old_logs() >= DELETED_AT_ONCE else PRUNING_INTERVAL
            self.next_pruning = now + pause


def save_logs(entries: Sequence[LogEntry]) -> None:
    """Save logs together, or one by one where that fails. Never raises: a log may be lost."""
    try:
        insert(entries)
    except BaseException as error:
        contain_error(error)
        if len(entries) > 1:
            for entry in entries:
                save_logs([entry])
            return
        entry, text = entries[0], error_summary(error)
        logger.warning("the log of task %s can not be saved: %s", entry.task_id, text)


def insert(entries: Sequence[LogEntry]) -> None:
    """Insert rows, all of them or none."""
    alias, now = router.db_for_write(TaskLog), timezone.now()
    rows = [
        TaskLog(
            task_id=storable(entry.task_id),
            attempt=entry.attempt,
            queue=entry.queue,
            worker=entry.worker,
            begun=datetime.fromtimestamp(entry.begun, dt_timezone.utc),
            saved=now,
            text=storable(entry.text),
            length=entry.length,
        )
        for entry in entries
    ]
    with transaction.atomic(using=alias):
        TaskLog.objects.using(alias).bulk_create(rows)


def storable(text: str) -> str:
    """Return a text as any database stores it: PostgreSQL takes no NUL."""
    return text.replace("\x00", "\\x00")


def delete_old_logs(at_most: int = DELETED_AT_ONCE) -> int:
    """Delete logs that are too old or too many, ``at_most`` so many. Returns how many.

    Never raises. Their keys count up: the last one less ``MAX_LOGS`` is that of one too many.
    """
    try:
        rows = TaskLog.objects.using(router.db_for_write(TaskLog))
        limit = timezone.now() - timedelta(seconds=Conf.KEEP_LOGS_FOR)
        ids = list(rows.filter(saved__lt=limit).order_by("saved").values_list("pk", flat=True)
                   [:at_most])  # fmt: skip
        if not ids and (last := rows.order_by("-pk").values_list("pk", flat=True).first()):
            beyond = rows.filter(pk__lte=last - MAX_LOGS).order_by("pk")
            ids = list(beyond.values_list("pk", flat=True)[:at_most])
        if ids:
            rows.filter(pk__in=ids)._raw_delete(rows.db)
        return len(ids)
    except Exception as error:
        logger.warning("old logs of tasks can not be deleted: %s", error_summary(error))
        return 0


def saved_logs(task_id: str) -> list[TaskLog]:
    """Read the logs of the attempts of a task, oldest first."""
    return list(TaskLog.objects.filter(task_id=task_id).order_by("begun", "pk"))
