"""Configure the Django app, and catch stop signals while ``qcluster`` starts."""

import multiprocessing
import sys

from django.apps import AppConfig

from django_q.conf import Conf
from django_q.processes.supervision.unix_signals import exit_on_stop_signals

if sys.argv[1:2] == ["qcluster"] and multiprocessing.parent_process() is None:
    exit_on_stop_signals()  # until the cluster has started and handles them itself


class DjangoQConfig(AppConfig):
    """The app, with fixed primary keys: a project's default must not ask for a migration."""

    name = "django_q"
    verbose_name = Conf.LABEL
    default_auto_field = "django.db.models.AutoField"

    def ready(self) -> None:
        """Register the system checks, and the receivers for schedules.

        They wake schedulers when schedules change, and write those that the source declares.
        """
        # Imported here because all need the models.
        from django_q import checks  # noqa: F401
        from django_q.scheduling import wakeup  # noqa: F401
        from django_q.scheduling.declared import occasions  # noqa: F401
