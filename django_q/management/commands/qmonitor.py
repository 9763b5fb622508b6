"""The ``qmonitor`` command."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from django_q import monitor
from django_q.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    """Shows the clusters and what they do."""

    help = _("Shows the clusters, the queue and the results, and follows them.")
    requires_system_checks = []  # the screen must also work when something is wrong

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--run-once", action="store_true", help=_("Show the current state and return.")
        )
        parser.add_argument(
            "--classic",
            action="store_true",
            help="Show the table of clusters alone, without views and orders.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Colours and full screens need the terminal itself, not the wrapper of Django around it.
        out = sys.stdout if self.stdout.isatty() else self.stdout
        monitor.monitor(run_once=options["run_once"], out=out, classic=options["classic"])

    def seconds_for(self, options: dict[str, Any]) -> float | None:
        return super().seconds_for(options) if options["run_once"] else None
