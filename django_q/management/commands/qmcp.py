"""The ``qmcp`` command."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_q.management.operator_command import OperatorCommand
from django_q.mcp.server import ORDER_TOOLS, McpMissing, make_server


class Command(OperatorCommand):
    """Serves the Model Context Protocol on standard input and output."""

    help = "Lets an assistant look at queues, failures, tasks and schedules (MCP, by stdio)."
    requires_system_checks = []  # what they print would stand in the protocol

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--allow",
            default="",
            metavar="ORDERS",
            help=f"What it may do as well, with commas: {', '.join(ORDER_TOOLS)}.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        allowed = [name.strip() for name in options["allow"].split(",") if name.strip()]
        if unknown := sorted(set(allowed) - set(ORDER_TOOLS)):
            expected = ", ".join(ORDER_TOOLS)
            raise CommandError(f"--allow takes {expected}; got {', '.join(unknown)}.")
        try:
            server = make_server(dict.fromkeys(allowed))
        except McpMissing as error:
            raise CommandError(error) from error
        server.run()

    def seconds_for(self, options: dict[str, Any]) -> float | None:
        return None
