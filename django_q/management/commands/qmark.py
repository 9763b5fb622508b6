"""The ``qmark`` command."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from django_q.management.operator_command import OperatorCommand
from django_q.models import DeployMark


class Command(OperatorCommand):
    """Marks this moment in the charts of the dashboard."""

    help = _("Marks this moment in the charts, as that of a deploy.")
    requires_system_checks = []  # a deploy runs it, and concerns the charts only

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("text", help=_("What the mark says, such as v12; 100 characters."))

    def handle(self, *args: Any, **options: Any) -> None:
        text = " ".join(options["text"].split())[: DeployMark._meta.get_field("text").max_length]
        DeployMark.objects.create(at=int(time.time()), text=text)
        self.write_line(_("Marked: %(text)s") % {"text": text})
