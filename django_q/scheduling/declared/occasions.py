"""When the schedules of the source are written: after ``migrate``, and when a scheduler starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connections, router
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from django_q.conf import logger
from django_q.models import Schedule, ScheduleSource
from django_q.scheduling.declared.discovery import discover
from django_q.scheduling.declared.synchronization import synchronize
from django_q.text.error_text import error_summary


@receiver(post_migrate, dispatch_uid="django_q.scheduling.declared.occasions")
def write_after_migrate(sender: Any, using: str, **kwargs: Any) -> None:
    """Write them where ``migrate`` has brought the tables of this app up to date."""
    if sender.name != "django_q" or "plan" not in kwargs:  # ``flush`` sends the signal as well
        return
    if using != router.db_for_write(Schedule):
        return
    table = ScheduleSource._meta.db_table
    if table in connections[using].introspection.table_names():
        write_or_log(lambda error: False)


def write_or_log(is_away: Callable[[Exception], bool]) -> None:
    """Write the schedules of the source, or log why that is not possible.

    Raises the errors for which ``is_away`` returns True: the caller tries again.
    """
    try:
        synchronize(discover())
    except Exception as error:
        if is_away(error):
            raise
        logger.error("the schedules of the source are not written: %s", error_summary(error))
