"""The ``qpause`` command."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from django_q.management.operator_command import OperatorCommand
from django_q.orders.steering import QueueHandle


class Command(OperatorCommand):
    """Pauses a queue, for all clusters or for one."""

    help = _("Lets no task be taken from a queue, until qresume.")
    requires_system_checks = []  # an order must be quick, and concern the queue only

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "queue", nargs="?", help=_("The name of the queue; that of the settings without it.")
        )
        parser.add_argument("--cluster", help=_("Pause it for this cluster alone: its id or name."))

    def handle(self, *args: Any, **options: Any) -> None:
        queue = QueueHandle(options["queue"])
        queue.pause(options["cluster"])
        self.write_line(queue.control_text())
