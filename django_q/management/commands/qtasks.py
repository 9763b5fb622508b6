"""The ``qtasks`` command."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser

from django_q.management.arguments import (
    ERROR_CODE,
    NOTHING_FOUND_CODE,
    positive,
)
from django_q.management.operator_command import COMMAND_SECONDS, OperatorCommand, time_limit
from django_q.terminal.lists.found_tasks import FOUND_TASK_COLUMNS, find_tasks, task_as_dict
from django_q.terminal.lists.output import print_json, print_rows


class Command(OperatorCommand):
    """Lists the tasks that a search finds."""

    help = (
        "Lists tasks that wait, run, or have ended: exits with 0 if there are any, 1 if there are "
        "none, 2 after an error."
    )
    requires_system_checks = []  # it must also work when something is wrong
    error_code = ERROR_CODE

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "search",
            nargs="*",
            help="As on the dashboard: state:failed func:mail* error:Timeout since:1h queue:mail",
        )
        parser.add_argument("--limit", type=positive(int), default=50, help="50 unless given.")
        parser.add_argument("--json", action="store_true", help="Print a list of objects.")

    def handle(self, *args: Any, **options: Any) -> None:
        out = sys.stdout if self.stdout.isatty() else self.stdout
        with time_limit(COMMAND_SECONDS):
            found = find_tasks(" ".join(options["search"]), options["limit"])
        if options["json"]:
            print_json([task_as_dict(task) for task in found.tasks], out)
        elif found.tasks:
            print_rows(FOUND_TASK_COLUMNS, found.tasks, out)
        for note in found.notes:
            self.write_error(note)
        if found.has_errors:
            sys.exit(ERROR_CODE)
        if not found.tasks:
            sys.exit(NOTHING_FOUND_CODE)

    def seconds_for(self, options: dict[str, Any]) -> float | None:
        return None  # a person may read a long list page by page
