"""The ``qmemory`` command."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from django_q import monitor
from django_q.exceptions import DjangoQError


class Command(BaseCommand):
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
        try:
            monitor.memory(options["run_once"], options["workers"], out=out)
        except DjangoQError as error:
            raise CommandError(error) from error
