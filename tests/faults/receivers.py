"""An app of the project under test, whose receivers fail where a fault wants it."""

from __future__ import annotations

import os

from django.apps import AppConfig

from tests.faults.tasks import receive


class Receivers(AppConfig):
    """Connects them."""

    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        """Listen to what happens to tasks."""
        if os.environ.get("DJANGO_Q_FAULT_RECEIVERS"):
            # Not before: django-q2, which runs under the same faults, loads its models with them.
            from django_q.signals import post_execute, post_execute_in_worker

            for signal in (post_execute, post_execute_in_worker):
                signal.connect(receive)
