"""A command that applications run in tasks."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django_admin_runner import register_command


@register_command(group="Shop")
class Command(BaseCommand):
    """Greets somebody; without a name it fails."""

    def add_arguments(self, parser: Any) -> None:
        """Take a name."""
        parser.add_argument("--name", default="")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        """Greet."""
        if not name:
            raise CommandError("nobody is there")
        self.stdout.write(f"hello {name}")
