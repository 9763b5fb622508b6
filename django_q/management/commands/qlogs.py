"""The ``qlogs`` command."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from django_q.management.arguments import ERROR_CODE, NOTHING_FOUND_CODE
from django_q.management.operator_command import COMMAND_SECONDS, OperatorCommand, time_limit
from django_q.task_logs.following import LogPart, follow, whole_logs
from django_q.text.printable import printable, printable_lines
from django_q.text.strict_json import strict_json
from django_q.unfinished.reading import normal_id


class Command(OperatorCommand):
    """Shows the logs of the attempts of a task."""

    help = _("Shows what a task has logged and printed: exits with 1 if there is nothing.")
    requires_system_checks = []  # it reads one table
    error_code = ERROR_CODE

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
        logs: Iterable[LogPart]
        if options["follow"]:
            logs = follow(task_id, options["queue"])
        else:
            with time_limit(COMMAND_SECONDS):
                logs = list(whole_logs(task_id))
        write = as_json if options["json"] else as_text
        has_any = False
        for part in logs:
            has_any = True
            self.stdout.write(write(part), ending="")
            self.stdout.flush()
        if not has_any:
            sys.exit(NOTHING_FOUND_CODE)

    def seconds_for(self, options: dict[str, Any]) -> float | None:
        return None  # a person may read a long log page by page


def as_text(part: LogPart) -> str:
    """Write a part of a log; the first below a line that says whose it is.

    A task may log whatever it was sent: nothing of it controls the terminal.
    """
    text = printable_lines(part.text)
    if not part.is_first:
        return text
    begun = part.begun.strftime("%Y-%m-%d %H:%M:%S UTC")
    facts = (f"attempt {part.attempt}", part.worker, part.queue, begun)
    cut = " (the end of the log)" if part.is_truncated else ""
    return f"--- {printable(', '.join(filter(None, facts)))}{cut}\n{text}"


def as_json(part: LogPart) -> str:
    """Write a part of a log as one line of JSON."""
    value = {
        "id": part.task_id,
        "attempt": part.attempt,
        "queue": part.queue,
        "worker": part.worker,
        "begun": part.begun.isoformat(),
        "is_truncated": part.is_truncated,
        "text": part.text,
    }
    return f"{strict_json(value)}\n"
