"""The Django app."""

import multiprocessing
import sys

from django.apps import AppConfig

from django_q.conf import Conf
from django_q.processes.supervision.unix_signals import exit_on_stop_signals

if sys.argv[1:2] == ["qcluster"] and multiprocessing.parent_process() is None:
    exit_on_stop_signals()  # for the rest of the time that Django needs until there is a cluster


class DjangoQConfig(AppConfig):
    """Names the app, and pins its keys so that a project's default never asks for a migration."""

    name = "django_q"
    verbose_name = Conf.LABEL
    default_auto_field = "django.db.models.AutoField"

    def ready(self) -> None:
        """Register the system checks, and have schedulers woken by changes of schedules."""
        # Here, because both need the models.
        from django_q import checks  # noqa: F401
        from django_q.scheduling import wakeup  # noqa: F401
