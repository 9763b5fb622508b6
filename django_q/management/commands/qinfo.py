"""The ``qinfo`` command."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from django_q import monitor
from django_q.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    """Prints a report about clusters, queue, results or settings."""

    help = _("Tells about the clusters, the queue, the results and the settings.")
    requires_system_checks = []  # a probe must be quick, and concern the cluster only

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        for name, text in {
            "--config": _("Print the settings in force, without secrets."),
            "--ids": _("Print the id of each cluster."),
            "--json": _("Print everything as JSON."),
            "--check": _("For probes: exit with 0 when a cluster serves the queue, else with 1."),
        }.items():
            what.add_argument(name, action="store_true", help=text)
        parser.add_argument("--host", help=_("Tell only about the clusters of this host."))

    def handle(self, *args: Any, **options: Any) -> None:
        out = sys.stdout if self.stdout.isatty() else self.stdout
        if options["config"]:
            monitor.settings(out=out)
        elif options["ids"]:
            monitor.get_ids(host=options["host"], out=out)
        elif options["json"]:
            monitor.info_json(host=options["host"], out=out)
        elif options["check"]:
            monitor.check(host=options["host"], out=out)
        else:
            monitor.info(host=options["host"], out=out)
