"""The ``qfail`` command."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_q.management.arguments import (
    ERROR_CODE,
    NOTHING_FOUND_CODE,
    positive,
)
from django_q.management.operator_command import COMMAND_SECONDS, OperatorCommand, time_limit
from django_q.terminal.lists.failure_kinds import (
    KIND_COLUMNS,
    kind_as_dict,
    newest_kinds,
    resubmit_slowly,
    whole_fingerprint,
)
from django_q.terminal.lists.output import print_json, print_rows
from django_q.terminal.queue_figures import broker_errors_translated

#: Kinds that are listed, and failures that are resubmitted, unless ``--limit`` says otherwise.
LISTED_KINDS, RESUBMITTED_FAILURES = 50, 1000


class Command(OperatorCommand):
    """Lists failures by kind, and runs those of a kind again."""

    help = (
        "Lists failures by kind: exits with 0 if there are any, 1 if there are none. With "
        "--resubmit, 0 if all were resubmitted, 1 if some or all were not. 2 after an error."
    )
    requires_system_checks = []  # it must also work when something is wrong
    error_code = ERROR_CODE

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--resubmit", metavar="KIND", help="Run the failures of this kind again, oldest first."
        )
        parser.add_argument(
            "--rate", type=positive(float), help="With --resubmit: at most so many a second."
        )
        parser.add_argument(
            "--limit",
            type=positive(int),
            help=f"Kinds at most, {LISTED_KINDS} unless given; with --resubmit failures, "
            f"{RESUBMITTED_FAILURES}.",
        )
        parser.add_argument("--json", action="store_true", help="Print a list of objects.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rate"] and not options["resubmit"]:
            raise CommandError("--rate needs --resubmit KIND.", returncode=ERROR_CODE)
        done = self.resubmit(options) if options["resubmit"] else self.list_kinds(options)
        if not done:
            sys.exit(NOTHING_FOUND_CODE)

    def seconds_for(self, options: dict[str, Any]) -> float | None:
        return None  # a person may read a long list page by page

    def list_kinds(self, options: dict[str, Any]) -> bool:
        """Print the kinds; return whether there are any."""
        with time_limit(COMMAND_SECONDS):
            kinds, notes = newest_kinds(options["limit"] or LISTED_KINDS)
        out = sys.stdout if self.stdout.isatty() else self.stdout
        if options["json"]:
            print_json([kind_as_dict(kind) for kind in kinds], out)
        elif kinds:
            print_rows(KIND_COLUMNS, kinds, out)
        for note in notes:
            self.write_error(note)
        return bool(kinds)

    def resubmit(self, options: dict[str, Any]) -> bool:
        """Run failures again, and print what became of each; return whether all are."""
        with time_limit(COMMAND_SECONDS):
            fingerprint = whole_fingerprint(options["resubmit"])
        limit = options["limit"] or RESUBMITTED_FAILURES
        done = refused = 0
        answers = []
        try:
            with broker_errors_translated():
                for task_id, new_id, reason in resubmit_slowly(fingerprint, limit, options["rate"]):
                    done, refused = done + (not reason), refused + bool(reason)
                    if options["json"]:
                        answers.append({"id": task_id, "new_id": new_id or None, "refused": reason})
                    else:
                        self.write_line(f"{task_id}: {reason or f'resubmitted as {new_id}'}")
        finally:  # also after Ctrl-C, or where a server goes away meanwhile
            if options["json"]:
                print_json(answers, self.stdout)
            else:
                self.write_line(f"{done} resubmitted, {refused} not.")
        return bool(done) and not refused
