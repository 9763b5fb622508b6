"""The ``qcancel`` command."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from django_q.management.arguments import ERROR_CODE
from django_q.management.operator_command import OperatorCommand
from django_q.orders.cancelling import UNKNOWN, cancel


class Command(OperatorCommand):
    """Cancels tasks by their ids, the tasks of a group, or all of a queue."""

    help = _("Cancels tasks: exits with 1 if one of them was not found.")
    requires_system_checks = []  # an order must be quick, and concern the queue only
    error_code = ERROR_CODE

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID", help=_("The ids of tasks."))
        parser.add_argument("--group", help=_("Cancel the tasks of this group."))
        parser.add_argument(
            "--queue", help=_("Cancel all tasks of this queue, or look for the ids in it alone.")
        )
        parser.add_argument("--reason", default="", help=_("Is told in the results."))

    def handle(self, *args: Any, **options: Any) -> None:
        ids, group = options["ids"], options["group"]
        if bool(ids) + bool(group) + bool(options["queue"] and not ids and not group) != 1:
            text = _("Give ids of tasks, or --group, or --queue.")
            raise CommandError(text, returncode=ERROR_CODE)
        order = {"queue": options["queue"], "reason": options["reason"]}
        answers = {each: cancel(each, **order) for each in ids}
        if not ids:
            answers[group or options["queue"]] = cancel(group=group, **order)
        for name, answer in answers.items():
            self.write_line(f"{name}: {answer}")
        if UNKNOWN in answers.values():
            sys.exit(1)
