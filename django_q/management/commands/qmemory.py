"""The ``qmemory`` command."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from django_q import monitor
from django_q.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    """Shows the memory that clusters use."""

    help = _("Shows the memory that the clusters of this host take, and follows it.")
    requires_system_checks = []  # the screen must also work when something is wrong

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--run-once", action="store_true", help=_("Show the current state and return.")
        )
        parser.add_argument("--workers", action="store_true", help=_("Show each worker as well."))

    def handle(self, *args: Any, **options: Any) -> None:
        out = sys.stdout if self.stdout.isatty() else self.stdout
        monitor.memory(options["run_once"], options["workers"], out=out)

    def seconds_for(self, options: dict[str, Any]) -> float | None:
        return super().seconds_for(options) if options["run_once"] else None
