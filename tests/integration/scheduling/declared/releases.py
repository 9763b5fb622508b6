"""Releases of a project: functions with the schedules that each release declares on them."""

from __future__ import annotations

from typing import Any

from django_q.models import Schedule
from django_q.scheduling.declared.declaration import DECLARATIONS, scheduled
from django_q.scheduling.declared.discovery import SourceDeclarations
from django_q.scheduling.declared.synchronization import synchronize
from tests.tasks import echo, multiply

FUNCTIONS = {"echo": echo, "multiply": multiply}


def declared(**schedules: dict[str, Any]) -> SourceDeclarations:
    """Make the declarations of a release: ``declared(nightly={"cron": "0 3 * * *"})``.

    Each is declared on ``echo`` unless ``on`` names another function.
    """
    DECLARATIONS.clear()
    for name, options in schedules.items():
        given = dict(options)
        function = FUNCTIONS[given.pop("on", "echo")]
        scheduled(name=name, **given)(function)
    found = SourceDeclarations(dict(DECLARATIONS))
    DECLARATIONS.clear()
    return found


def start(found: SourceDeclarations, **options: Any) -> None:
    """Start a process of a release."""
    synchronize(found, **options)


def row(name: str) -> Schedule:
    """Read the schedule of a name."""
    return Schedule.objects.get(name=name)
