"""What mails and webhooks say of alerts. In English, as the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django_q.conf import Conf
from django_q.models import Alert
from django_q.models.schedule_fields.due_times import aware_utc
from django_q.text.printable import printable

RAISED, RESOLVED = "raised", "resolved"


def event_of(alert: Alert) -> str:
    """Name the last change of an alert."""
    return RAISED if alert.resolved_at is None else RESOLVED


def title(alerts: Sequence[Alert]) -> str:
    """Write one line about alerts: the text of the only one, or how many there are."""
    if len(alerts) == 1:
        summary = f"{event_of(alerts[0])}: {alerts[0].text}"
    else:
        events = [event_of(alert) for alert in alerts]
        summary = ", ".join(f"{events.count(event)} {event}" for event in sorted(set(events)))
    return printable(f"Django Q {Conf.PREFIX}: {summary}")[:200]


def body(alerts: Sequence[Alert]) -> str:
    """Write a line for each alert."""
    return "".join(f"{line(alert)}\n" for alert in alerts)


def line(alert: Alert) -> str:
    """Write what has changed, by which rule, and when."""
    since = f"{moment(alert):%Y-%m-%d %H:%M:%S} UTC"
    return f"{event_of(alert)}: {printable(alert.text)} ({alert.rule}, {since})"


def as_dict(alert: Alert) -> dict[str, Any]:
    """Describe an alert in JSON. Its id is the same each time that the same change is told."""
    return {
        "id": f"{alert.key}-{event_of(alert)}-{moment(alert).timestamp():.6f}",
        "event": event_of(alert),
        "rule": alert.rule,
        "subject": alert.subject,
        "text": alert.text,
        "value": alert.value,
        "raised_at": alert.raised_at and aware_utc(alert.raised_at).isoformat(),
        "resolved_at": alert.resolved_at and aware_utc(alert.resolved_at).isoformat(),
    }


def moment(alert: Alert) -> datetime:
    """Return when the last change of an alert was; aware, in UTC."""
    return aware_utc(alert.resolved_at or alert.raised_at or alert.since)
