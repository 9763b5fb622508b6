"""Check the option ``alerts``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import Error, Warning

from django_q.alerts.rules import FAILURE_RATE, MAIL, AlertRules, problems
from django_q.checks.messages import Messages, no_effect


def check_alerts(option: str, value: Mapping) -> Messages:
    """Check each rule and each target; no value is shown, as an address may have a password."""
    for place, expected, hint in problems(value):
        text = f"{option}{place} must be {expected}."
        yield Error(text, hint=hint, id="django_q.E009")
    if value.get(MAIL) is True and not settings.ADMINS:
        text = f"{option}['mail'] is True, and ADMINS in the settings is empty: nobody gets a mail."
        yield Warning(text, hint="Set ADMINS, or list addresses.", id="django_q.W015")
    if not AlertRules(value).names and not any(problems(value)):
        yield no_effect(option, "it has no rule")


def check_alert_sources(conf: dict[str, Any], given: dict[str, Any], where: str) -> Messages:
    """Warn of a rule that has nothing to count."""
    alerts = conf["ALERTS"]
    counts_none = not conf["ROLLUPS"] and conf["SAVE_LIMIT"] < 0
    if isinstance(alerts, Mapping) and alerts.get(FAILURE_RATE) and counts_none:
        reason = "'rollups' is off and 'save_limit' -1, so that no success is counted"
        yield no_effect(f"{where}['alerts']['{FAILURE_RATE}']", reason)
