"""Alerts as rows: each raised once, resolved once, whoever sees it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from django_q.alerts.alert_rows import raised_alerts, record, take_turn
from django_q.alerts.delivery import tell_due
from django_q.alerts.finding import Finding
from django_q.alerts.findings import Findings
from django_q.alerts.rules import AlertRules
from django_q.models import Alert

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 12, 1, 12, tzinfo=timezone.utc)
RULES = AlertRules({"depth": 10, "no_worker": 60, "cool_down": 600})
DEEP = Finding("depth", "mail", "11 tasks wait.", 11)


def see(
    *found: Finding, at: float = 0, rules: AlertRules = RULES, evaluated: str = "depth"
) -> None:
    """Have a cluster see something so many seconds after noon, and tell it."""
    findings = Findings()
    findings.found, findings.evaluated = list(found), set(evaluated.split())
    now = NOON + timedelta(seconds=at)
    record(rules, findings, now)
    tell_due(rules, now)


def test_what_is_found_is_raised_once_and_resolved_once(signalled):
    for second in (0, 60, 120):
        see(DEEP, at=second)
    for second in (180, 240):
        see(at=second)

    assert signalled == [("raised", "depth", "mail"), ("resolved", "depth", "mail")]
    assert raised_alerts() == []


def test_the_name_of_a_queue_that_no_database_can_store_keeps_no_alert_from_being_told(signalled):
    odd = Finding("depth", "q\udcff\x00", "11 tasks wait in the queue 'q\udcff\x00'.", 11)
    see(odd, DEEP)

    assert sorted(signalled) == [("raised", "depth", "mail"), ("raised", "depth", "q\\udcff\\x00")]


def test_what_comes_back_soon_is_raised_again_after_the_cool_down(signalled):
    see(DEEP)
    see(at=60)
    see(DEEP, at=120)
    assert len(signalled) == 2

    see(DEEP, at=601)

    assert signalled[2:] == [("raised", "depth", "mail")]


def test_a_queue_without_a_cluster_is_told_when_that_has_lasted(signalled):
    alone = Finding("no_worker", "mail", "no cluster serves it.")
    see(alone, evaluated="no_worker")
    see(alone, at=59, evaluated="no_worker")
    assert signalled == []

    see(alone, at=61, evaluated="no_worker")

    assert signalled == [("raised", "no_worker", "mail")]


def test_what_ended_before_it_had_lasted_begins_anew(signalled):
    alone = Finding("no_worker", "mail", "no cluster serves it.")
    see(alone, evaluated="no_worker")
    see(at=30, evaluated="no_worker")
    see(alone, at=61, evaluated="no_worker")

    assert signalled == []


def test_nothing_is_resolved_by_who_could_not_look(signalled):
    see(DEEP)

    see(at=60, evaluated="failure_rate")

    assert [event for event, *_ in signalled] == ["raised"]
    assert [alert.subject for alert in raised_alerts()] == ["mail"]


def test_who_has_read_a_row_that_another_cluster_changed_changes_nothing(signalled, monkeypatch):
    see(Finding("depth", "mail", "11 tasks wait.", 11), rules=AlertRules({"depth": 10}))
    stale = Alert.objects.get(rule="depth")
    see(at=60)
    monkeypatch.setattr("django_q.alerts.alert_rows.alert_rows", StaleRows(stale))

    see(at=61)

    assert [event for event, *_ in signalled] == ["raised", "resolved"]


class StaleRows:
    """Gives the row as it was read when it is listed, and the table otherwise."""

    def __init__(self, row: Alert) -> None:
        self.row = row

    def __call__(self) -> StaleRows:
        return self

    def __iter__(self):
        return iter([self.row])

    def filter(self, **conditions):
        return Alert.objects.filter(**conditions)


def test_one_cluster_has_the_turn_for_all():
    rules = AlertRules({"depth": 10, "every": 60})

    turns = [take_turn(rules, NOON + timedelta(seconds=second)) for second in (0, 1, 30, 60, 61)]

    assert turns == [True, False, False, True, False]


def test_a_clock_that_was_wrong_takes_the_turn_from_nobody_for_long():
    rules = AlertRules({"depth": 10})
    take_turn(rules, NOON + timedelta(days=365))

    assert take_turn(rules, NOON)


def test_an_alert_that_is_over_for_long_is_forgotten():
    see(DEEP)
    see(at=60)

    see(at=2 * 86400)

    assert not Alert.objects.filter(rule="depth").exists()


def test_projects_that_share_a_database_have_alerts_of_their_own(conf, signalled):
    see(DEEP)
    conf(name="another")

    see(at=60)
    see(DEEP, at=60)

    assert [event for event, *_ in signalled] == ["raised", "raised"]
