"""Keep what was found in the table of alerts: each change is made by one process for all clusters.

A change is an UPDATE of the row as it was read: of several processes that see the same, the row
lets one change it. Who is to be told stands in the row then, so that it is told even if that
process dies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, router, transaction
from django.db.models import Q, QuerySet

from django_q.alerts.finding import Finding
from django_q.alerts.findings import Findings
from django_q.alerts.rules import RULE_NAMES, AlertRules
from django_q.conf import Conf
from django_q.models import Alert
from django_q.text.printable import printable

#: How long the row of an alert that is over is kept at least.
KEPT_FOR = timedelta(days=1)
#: The rule of the row that says whose turn it is to evaluate the rules.
TURN = "turn"
#: The share of the time between two evaluations for which a turn lasts: who had the last one is a
#: little early otherwise.
TURN_SHARE = 0.9


def alert_rows() -> QuerySet[Alert]:
    """Select the alerts of this project, in the database that is written to."""
    rows = Alert.objects.using(router.db_for_write(Alert))
    return rows.filter(project=Conf.PREFIX, rule__in=RULE_NAMES)


def raised_alerts() -> list[Alert]:
    """List the alerts that are raised, the first ones first."""
    rows = alert_rows().filter(raised_at__isnull=False, resolved_at__isnull=True)
    return list(rows.order_by("raised_at", "key"))


def key_of(*parts: str) -> str:
    """Make the key of a row."""
    text = "\0".join((Conf.PREFIX, *parts))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def take_turn(rules: AlertRules, now: datetime) -> bool:
    """Return True where no process has evaluated these rules lately: then this one shall do it."""
    key = key_of(TURN, repr(sorted(rules.options.items(), key=lambda item: item[0])))
    min_seconds = timedelta(seconds=rules.every * TURN_SHARE)
    rows = Alert.objects.using(router.db_for_write(Alert)).filter(key=key)
    # A turn that ends later than it can was taken by a clock that was wrong.
    is_over = Q(due__lte=now) | Q(due__gt=now + 2 * min_seconds)
    if rows.filter(is_over).update(due=now + min_seconds):
        return True
    if rows.exists():
        return False
    return insert(Alert(key=key, project=Conf.PREFIX, rule=TURN, since=now, due=now + min_seconds))


def insert(row: Alert) -> bool:
    """Insert a row; return False where another process was faster."""
    alias = router.db_for_write(Alert)
    try:
        with transaction.atomic(using=alias):
            row.save(using=alias, force_insert=True)
    except IntegrityError:
        return False
    return True


def record(rules: AlertRules, findings: Findings, now: datetime) -> None:
    """Raise what was found and lasts, and resolve what is over."""
    rows = {row.key: row for row in alert_rows()}
    found = {key_of(each.rule, each.subject): each for each in findings.found}
    for key, finding in found.items():
        note(rules, key, finding, rows.get(key), now)
    over = [row for key, row in rows.items() if key not in found and row.rule in findings.evaluated]
    for row in over:
        end(rules, row, now)


def note(rules: AlertRules, key: str, finding: Finding, row: Alert | None, now: datetime) -> None:
    """Keep that something was found, and raise it where it has lasted and was not told lately."""
    # No database has all characters that the name of a queue may have on Redis.
    told = {"text": printable(finding.text, 500)[:500], "value": finding.value}
    if row is None:
        subject = printable(finding.subject, 100)[:100]
        row = Alert(key=key, project=Conf.PREFIX, rule=finding.rule, subject=subject, since=now)
        row.text, row.value = told["text"], told["value"]
        if not insert(row):
            return
    elif row.resolved_at is not None and row.since <= row.resolved_at:  # it was over
        change(row, since=now)
    if row.is_raised:
        change(row, **told)
    elif has_lasted(rules, row, now):
        change(row, **told, raised_at=now, resolved_at=None, **untold(rules, now))


def has_lasted(rules: AlertRules, row: Alert, now: datetime) -> bool:
    """Return True where an alert is to be raised."""
    if (now - row.since).total_seconds() < rules.min_seconds(row.rule):
        return False
    is_first = row.raised_at is None
    return is_first or (now - row.raised_at).total_seconds() >= rules.cool_down


def end(rules: AlertRules, row: Alert, now: datetime) -> None:
    """Resolve an alert that is over; forget one that was never raised, or is over for long."""
    if row.is_raised:
        change(row, resolved_at=now, **untold(rules, now))
    elif row.raised_at is None or is_outlived(rules, row, now):
        unchanged(row).delete()


def is_outlived(rules: AlertRules, row: Alert, now: datetime) -> bool:
    """Return True if nobody needs the row of an alert any more that is over."""
    kept_for = max(KEPT_FOR, timedelta(seconds=rules.cool_down))
    return row.due is None and now - row.raised_at > kept_for


def untold(rules: AlertRules, now: datetime) -> dict[str, Any]:
    """Return the columns by which all targets are to be told now."""
    return {"untold": rules.targets, "due": now, "attempts": 0}


def change(row: Alert, **columns: Any) -> bool:
    """Change a row unless another process has changed it; return whether this one did."""
    if not unchanged(row).update(**columns):
        return False
    for name, value in columns.items():
        setattr(row, name, value)
    return True


def unchanged(row: Alert) -> QuerySet[Alert]:
    """Select a row if it is as it was read."""
    return alert_rows().filter(
        key=row.key, since=row.since, raised_at=row.raised_at, resolved_at=row.resolved_at
    )


def due_rows(now: datetime, limit: int) -> Sequence[Alert]:
    """List alerts that somebody is to be told of now."""
    return alert_rows().filter(due__lte=now).order_by("raised_at", "key")[:limit]
