"""The ``qlogs`` command."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from django_q.models import TaskLog
from django_q.task_logs.following import follow
from django_q.task_logs.rows import saved_logs
from django_q.unfinished.reading import normal_id


class Command(BaseCommand):
    """Shows the logs of the attempts of a task."""

    help = _("Shows what a task has logged and printed: exits with 1 if there is nothing.")
    requires_system_checks = []  # it reads one table

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", metavar="ID", help=_("The id of the task."))
        parser.add_argument(
            "-f", "--follow", action="store_true", help=_("Go on until the task has ended.")
        )
        parser.add_argument(
            "--json", action="store_true", help=_("Write one line of JSON for each attempt.")
        )
        parser.add_argument("--queue", help=_("The name of the queue in which the task waits."))

    def handle(self, *args: Any, **options: Any) -> None:
        task_id = normal_id(options["id"])
        logs = follow(task_id, options["queue"]) if options["follow"] else saved_logs(task_id)
        write = as_json if options["json"] else as_text
        has_any = False
        for row in logs:
            has_any = True
            self.stdout.write(write(row), ending="\n")
            self.stdout.flush()
        if not has_any:
            sys.exit(1)


def as_text(row: TaskLog) -> str:
    """Write a log below a line that says whose it is."""
    begun = row.begun.strftime("%Y-%m-%d %H:%M:%S UTC")
    head = f"--- attempt {row.attempt}, {row.worker}, {row.queue}, {begun}"
    cut = " (the end of the log)" if row.is_truncated else ""
    return f"{head}{cut}\n{row.text.rstrip()}"


def as_json(row: TaskLog) -> str:
    """Write a log as one line of JSON."""
    return json.dumps(
        {
            "id": row.task_id,
            "attempt": row.attempt,
            "queue": row.queue,
            "worker": row.worker,
            "begun": row.begun.isoformat(),
            "is_truncated": row.is_truncated,
            "text": row.text,
        }
    )
