"""Tell of alerts: by mail, to a webhook, to receivers of signals. Each is told by one process.

Who is not reached is told again later, in pauses that double, and given up after a few hours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage, mail_admins

from django_q.alerts.alert_rows import alert_rows, due_rows
from django_q.alerts.messages import RAISED, body, event_of, title
from django_q.alerts.rules import MAIL, SIGNAL, WEBHOOK, AlertRules, addresses
from django_q.alerts.time_limit import alert_time_limit
from django_q.alerts.webhook import post
from django_q.conf import logger
from django_q.exceptions import contain_error
from django_q.foreign_code.guards import send_signal_safely
from django_q.models import Alert
from django_q.signals import SENDER, alert_raised, alert_resolved
from django_q.text.error_text import error_summary

#: Seconds that a mail server, a webhook, or all receivers of a signal may take.
TELL_SECONDS = 15.0
#: Seconds until the next attempt: at first, and at most. The first is longer than an attempt takes.
RETRY_SECONDS = (60, 1800)
#: Attempts until a target is given up.
MAX_ATTEMPTS = 10
#: Alerts that are told at once.
MAX_TOLD = 100


def tell_due(rules: AlertRules, now: datetime) -> None:
    """Tell of the changes that are due, those of one target together."""
    claimed = [row for row in due_rows(now, MAX_TOLD) if claim(row, now)]
    for target in (SIGNAL, MAIL, WEBHOOK):
        alerts = [row for row in claimed if target in (row.untold or ())]
        if alerts and (target not in rules.targets or tell(rules, target, alerts)):
            for row in alerts:
                row.untold = [each for each in row.untold or () if each != target]
    for row in claimed:
        settle(row)


def claim(row: Alert, now: datetime) -> bool:
    """Take it on to tell of a change; False where another process has done so.

    Counted before it is tried, so that what ends the process is not tried for ever.
    """
    first, most = RETRY_SECONDS
    due = now + timedelta(seconds=min(first * 2**row.attempts, most))
    attempts = row.attempts + 1
    if not alert_rows().filter(key=row.key, due=row.due).update(due=due, attempts=attempts):
        return False
    row.due, row.attempts = due, attempts
    return True


def settle(row: Alert) -> None:
    """Keep who is still to be told, unless the alert has changed meanwhile."""
    is_done = not row.untold
    if row.untold and row.attempts >= MAX_ATTEMPTS:
        logger.error("nobody could be told by %s that %s", ", ".join(row.untold), row.text)
        is_done = True
    columns = {"untold": None, "due": None} if is_done else {"untold": row.untold}
    alert_rows().filter(key=row.key, due=row.due).update(**columns)


def tell(rules: AlertRules, target: str, alerts: Sequence[Alert]) -> bool:
    """Tell a target, within a time limit; False where it could not be told. Never raises."""
    try:
        with alert_time_limit(TELL_SECONDS):
            TELLERS[target](rules, alerts)
    except BaseException as error:  # backends of mail are foreign code, too
        contain_error(error)
        logger.error("alerts can not be told by %s now: %s", target, error_summary(error))
        return False
    return True


def send_signals(rules: AlertRules, alerts: Sequence[Alert]) -> None:
    """Call the receivers of the signals. What they raise is logged."""
    for alert in alerts:
        is_raised = event_of(alert) == RAISED
        signal = alert_raised if is_raised else alert_resolved
        name = "alert_raised" if is_raised else "alert_resolved"
        send_signal_safely(signal, name, alert.rule, sender=SENDER, alert=alert)


def send_mail(rules: AlertRules, alerts: Sequence[Alert]) -> None:
    """Send one mail about alerts. Raises what the backend of mail raises."""
    to = rules.options[MAIL]
    if to is True:
        mail_admins(title(alerts), body(alerts))
        return
    subject = f"{settings.EMAIL_SUBJECT_PREFIX}{title(alerts)}"
    EmailMessage(subject, body(alerts), settings.SERVER_EMAIL, addresses(to)).send()


def post_webhook(rules: AlertRules, alerts: Sequence[Alert]) -> None:
    """Send alerts to the webhook. Raises ``OSError`` or ``WebhookRefused``."""
    post(rules.table(WEBHOOK), alerts)


TELLERS: dict[str, Callable[[AlertRules, Sequence[Alert]], None]] = {
    SIGNAL: send_signals,
    MAIL: send_mail,
    WEBHOOK: post_webhook,
}
