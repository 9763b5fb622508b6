"""The ``qalerts`` command."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from django_q.alerts.evaluation import keep_and_tell
from django_q.alerts.findings import look
from django_q.alerts.messages import as_dict, body
from django_q.alerts.rules import AlertRules
from django_q.brokers import adapt_broker, get_broker
from django_q.conf import Conf
from django_q.management.operator_command import OperatorCommand
from django_q.text.strict_json import strict_json

#: The exit code where something is raised. Where the rules can not be evaluated it is 1.
RAISED_EXIT_CODE = 2


class Command(OperatorCommand):
    """Evaluates the rules of ``Q_CLUSTER["alerts"]`` once."""

    help = _("Evaluates the alerts once and tells of changes; exits with 2 while any is raised.")
    requires_system_checks = []  # an alert must not depend on the rest of the settings

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help=_("Print what is raised as JSON."))

    def handle(self, *args: Any, **options: Any) -> None:
        rules = AlertRules(Conf.ALERTS)
        if not rules.names:
            raise CommandError(_("Q_CLUSTER['alerts'] has no rule that can be evaluated."))
        now = timezone.now()
        findings = look(rules, adapt_broker(get_broker()), now)
        alerts = keep_and_tell(rules, findings, now)
        if options["json"]:
            self.stdout.write(strict_json([as_dict(alert) for alert in alerts], indent=2))
        else:
            self.stdout.write(body(alerts), ending="")
        if alerts:
            sys.exit(RAISED_EXIT_CODE)
        if findings.failed:
            raise CommandError(f"Not evaluated: {', '.join(findings.failed)}.")

    def seconds_for(self, options: dict[str, Any]) -> float | None:
        return None  # each server and each receiver has its own time
