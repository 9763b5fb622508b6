"""One evaluation of the rules: look, keep, tell."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from django_q.alerts.alert_rows import raised_alerts, record, take_turn
from django_q.alerts.delivery import tell_due
from django_q.alerts.findings import LOOK_SECONDS, Findings, look
from django_q.alerts.rules import AlertRules
from django_q.alerts.time_limit import alert_time_limit
from django_q.brokers.base import Broker
from django_q.models import Alert


def evaluate(rules: AlertRules, broker: Broker, now: datetime | None = None) -> list[Alert]:
    """Evaluate the rules, tell of what has changed, and return what is raised now.

    Raises what the database raises that has the table of alerts, and ``AlertTimeout``.
    """
    now = now or timezone.now()
    return keep_and_tell(rules, look(rules, broker, now), now)


def evaluate_in_turn(rules: AlertRules, broker: Broker, now: datetime | None = None) -> None:
    """Do so where no other cluster has lately; tell in any case who was not reached before."""
    now = now or timezone.now()
    with alert_time_limit(LOOK_SECONDS):
        is_own_turn = take_turn(rules, now)
    if is_own_turn:
        evaluate(rules, broker, now)
    else:
        tell_due(rules, now)


def keep_and_tell(rules: AlertRules, findings: Findings, now: datetime) -> list[Alert]:
    """Keep what was found, and tell of what has changed."""
    with alert_time_limit(LOOK_SECONDS):
        record(rules, findings, now)
    tell_due(rules, now)
    return raised_alerts()
