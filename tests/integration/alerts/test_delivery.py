"""Who is told of alerts, by mail, webhook and signals: each once, and again where it failed."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from datetime import datetime, timedelta, timezone

import pytest

from django_q.alerts import delivery
from django_q.alerts.alert_rows import record
from django_q.alerts.delivery import tell_due
from django_q.alerts.finding import Finding
from django_q.alerts.findings import Findings
from django_q.alerts.rules import AlertRules
from django_q.models import Alert
from django_q.signals import alert_raised

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 12, 1, 12, tzinfo=timezone.utc)


def raise_alerts(rules: AlertRules, *queues: str) -> None:
    """Raise an alert for the depth of each queue, at noon."""
    findings = Findings()
    findings.found = [Finding("depth", queue, f"11 tasks wait in '{queue}'.") for queue in queues]
    findings.evaluated = {"depth"}
    record(rules, findings, NOON)


def test_one_mail_tells_the_admins_of_all_that_was_found(settings, mailoutbox):
    settings.ADMINS = ["ops@example.org"] if is_new_django() else [("Ops", "ops@example.org")]
    rules = AlertRules({"depth": 10, "mail": True})
    raise_alerts(rules, "mail", "video")

    tell_due(rules, NOON)
    tell_due(rules, NOON + timedelta(hours=1))

    (mail,) = mailoutbox
    assert mail.to == ["ops@example.org"]
    assert mail.subject == "[Django] Django Q test: 2 raised"
    assert "raised: 11 tasks wait in 'video'. (depth, 2026-12-01 12:00:00 UTC)" in mail.body


def is_new_django() -> bool:
    """Whether ADMINS are addresses, and pairs no more."""
    import django

    return django.VERSION >= (6, 0)


def test_a_mail_goes_to_the_addresses_that_are_named(mailoutbox):
    rules = AlertRules({"depth": 10, "mail": ["a@example.org", "b@example.org"]})
    raise_alerts(rules, "mail\nBcc: spam@example.org")

    tell_due(rules, NOON)

    (mail,) = mailoutbox
    assert mail.to == ["a@example.org", "b@example.org"]
    assert "\n" not in mail.subject


def test_a_webhook_gets_json_that_is_signed(webhook):
    rules = AlertRules({"depth": 10, "webhook": {"url": webhook.url, "secret": "s3cret"}})
    raise_alerts(rules, "mail")

    tell_due(rules, NOON)

    ((headers, body),) = webhook.requests
    signed = headers["X-Django-Q-Timestamp"].encode() + b"." + body
    expected = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert headers["X-Django-Q-Signature"] == f"sha256={expected}"
    (alert,) = json.loads(body)["alerts"]
    assert (alert["event"], alert["rule"], alert["subject"]) == ("raised", "depth", "mail")
    assert alert["raised_at"] == "2026-12-01T12:00:00+00:00"


@pytest.mark.parametrize("status", [500, 302])
def test_a_webhook_that_fails_is_tried_again_and_a_mail_is_not_sent_twice(
    webhook, mailoutbox, caplog, status
):
    rules = AlertRules({"depth": 10, "webhook": webhook.url, "mail": "a@example.org"})
    raise_alerts(rules, "mail")
    webhook.status = status
    tell_due(rules, NOON)
    assert "alerts can not be told by webhook now" in caplog.text
    webhook.status = 200

    tell_due(rules, NOON + timedelta(seconds=30))
    assert len(webhook.requests) == 1
    tell_due(rules, NOON + timedelta(seconds=61))
    tell_due(rules, NOON + timedelta(hours=1))

    assert len(webhook.requests) == 2
    assert (
        json.loads(webhook.requests[0][1])["alerts"] == json.loads(webhook.requests[1][1])["alerts"]
    )
    assert len(mailoutbox) == 1


def test_a_target_that_is_never_reached_is_given_up(webhook, caplog):
    rules = AlertRules({"depth": 10, "webhook": webhook.url})
    raise_alerts(rules, "mail")
    webhook.status = 503

    for hour in range(20):
        tell_due(rules, NOON + timedelta(hours=hour))

    assert len(webhook.requests) == delivery.MAX_ATTEMPTS
    assert "nobody could be told by webhook that 11 tasks wait in 'mail'." in caplog.text


def test_a_receiver_that_raises_or_hangs_keeps_nobody_else_from_being_told(
    signalled, mailoutbox, monkeypatch, caplog
):
    monkeypatch.setattr(delivery, "TELL_SECONDS", 0.5)
    rules = AlertRules({"depth": 10, "mail": "a@example.org"})
    raise_alerts(rules, "mail")

    def hang(**kwargs):
        threading.Event().wait()

    def fail(**kwargs):
        raise SystemExit

    for receiver in (hang, fail):
        alert_raised.connect(receiver)
    try:
        tell_due(rules, NOON)
    finally:
        for receiver in (hang, fail):
            alert_raised.disconnect(receiver)

    assert signalled == [("raised", "depth", "mail")]
    assert len(mailoutbox) == 1
    assert "no answer came in 0.5 seconds" in caplog.text


def test_two_clusters_tell_each_alert_once(webhook):
    rules = AlertRules({"depth": 10, "webhook": webhook.url})
    raise_alerts(rules, "mail")
    row = Alert.objects.get(rule="depth")

    assert delivery.claim(row, NOON)
    assert not delivery.claim(Alert(key=row.key, project="test", due=NOON, attempts=0), NOON)
