"""The ``qschedules`` command."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from django_q.management.operator_command import OperatorCommand
from django_q.models import Schedule
from django_q.scheduling.declared.discovery import discover
from django_q.scheduling.declared.synchronization import synchronize


class Command(OperatorCommand):
    """Writes the schedules that the source declares, and lists all that were declared."""

    help = _("Writes the schedules of this source, also where a later release was here before.")

    def handle(self, *args: Any, **options: Any) -> None:
        synchronize(discover(), is_forced=True)
        for schedule in Schedule.objects.exclude(source=None).order_by("name", "pk"):
            state = _("Paused") if schedule.paused else _("Active")
            self.write_line(f"{schedule.name}  {schedule.source}  {state}")
