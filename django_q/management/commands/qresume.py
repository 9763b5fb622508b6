"""The ``qresume`` command."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from django_q.management.arguments import ERROR_CODE
from django_q.management.operator_command import OperatorCommand
from django_q.orders.steering import QueueHandle


class Command(OperatorCommand):
    """Ends the pause of a queue, for all clusters or for one."""

    help = _("Ends what qpause began: exits with 1 if there was no such pause.")
    requires_system_checks = []  # an order must be quick, and concern the queue only
    error_code = ERROR_CODE

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "queue", nargs="?", help=_("The name of the queue; that of the settings without it.")
        )
        parser.add_argument(
            "--cluster", help=_("End the pause of this cluster alone: its id or name.")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        queue = QueueHandle(options["queue"])
        was_paused = queue.resume(options["cluster"])
        self.write_line(queue.control_text())
        if not was_paused:
            sys.exit(1)
