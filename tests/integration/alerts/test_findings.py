"""What the rules find: in queues, without clusters, in schedules."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_q.alerts.evaluation import evaluate, evaluate_in_turn
from django_q.alerts.findings import look
from django_q.alerts.rules import AlertRules
from django_q.conf import Conf
from django_q.models import Schedule
from django_q.status import Stat
from django_q.tasks import async_task

pytestmark = pytest.mark.django_db(transaction=True)

EITHER_BROKER = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


def found(broker, **options):
    """Evaluate rules now: pairs of the rule and its subject."""
    findings = look(AlertRules(options), broker, timezone.now() + timedelta(seconds=1))
    return {(each.rule, each.subject) for each in findings.found}


def run_cluster(broker, queue="test"):
    """Have a cluster be alive, by its heartbeat."""
    Stat(1, uuid4(), queue=queue, status=Conf.IDLE).save(broker)


@EITHER_BROKER
def test_a_deep_queue_and_one_that_waits_for_long_are_found(broker, wait_until):
    for number in range(3):
        async_task("tests.tasks.echo", number)
    run_cluster(broker)
    assert found(broker, depth=3, waiting=60) == set()

    assert found(broker, depth=2) == {("depth", "test")}
    assert found(broker, depth={"*": 2, "test": 5}) == set()
    assert found(broker, depth={"test": 2}) == {("depth", "test")}
    wait_until(lambda: found(broker, waiting=0.01) == {("waiting", "test")})


@EITHER_BROKER
def test_queues_that_no_cluster_serves_are_found(broker):
    assert found(broker, no_worker=1) == {("no_worker", "")}
    async_task("tests.tasks.echo", 1, q_options={"cluster": "misspelt"})
    run_cluster(broker)

    assert found(broker, no_worker=1) == {("no_worker", "misspelt")}
    run_cluster(broker, "misspelt")
    assert found(broker, no_worker=1) == set()


def test_a_broker_that_is_away_is_no_worker_and_resolves_nothing(conf, signalled):
    conf(redis="redis://127.0.0.1:1/0")
    from django_q.brokers import adapt_broker, get_broker

    rules = AlertRules({"no_worker": 0.001, "depth": 1})
    away = adapt_broker(get_broker())
    findings = look(rules, away, timezone.now())

    assert findings.evaluated == set()
    assert [(each.rule, each.subject) for each in findings.found] == [("no_worker", "")]
    assert findings.found[0].text.startswith("The broker does not answer: ")


def test_schedules_that_are_late_or_were_paused_by_an_error_are_found(broker):
    now = timezone.now()
    late = Schedule.objects.create(func="tests.tasks.echo", next_run=now - timedelta(seconds=400))
    Schedule.objects.create(func="tests.tasks.echo", next_run=now - timedelta(seconds=200))
    Schedule.objects.create(func="tests.tasks.echo", next_run=now - timedelta(days=2), repeats=0)
    Schedule.objects.create(func="tests.tasks.echo", next_run=now - timedelta(days=2), paused=True)
    refused = Schedule.objects.create(func="tests.tasks.echo", paused=True)
    Schedule.objects.filter(pk=refused.pk).update(error="ValueError")

    assert found(broker, schedule_missed=300) == {
        ("schedule_missed", str(late.pk)),
        ("schedule_missed", str(refused.pk)),
    }


def test_clusters_evaluate_in_turn(broker, signalled):
    rules = AlertRules({"depth": 0.5, "every": 60})
    async_task("tests.tasks.echo", 1)
    now = timezone.now()

    evaluate_in_turn(rules, broker, now)
    async_task("tests.tasks.echo", 1, q_options={"cluster": "other"})
    evaluate_in_turn(rules, broker, now + timedelta(seconds=1))
    assert signalled == [("raised", "depth", "test")]
    evaluate_in_turn(rules, broker, now + timedelta(seconds=60))

    assert signalled[1:] == [("raised", "depth", "other")]


def test_the_command_evaluates_once_and_says_what_is_raised(broker, conf, signalled):
    conf(alerts={"depth": 1})
    call_command("qalerts", stdout=io.StringIO())
    for number in range(2):
        async_task("tests.tasks.echo", number)

    out = io.StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("qalerts", "--json", stdout=out)

    assert exit_.value.code == 2
    assert [alert["subject"] for alert in json.loads(out.getvalue())] == ["test"]
    assert signalled == [("raised", "depth", "test")]


def test_the_command_refuses_to_evaluate_nothing(conf):
    conf(alerts={"mail": "a@example.org"})

    with pytest.raises(CommandError, match="has no rule"):
        call_command("qalerts")


def test_what_is_raised_is_returned(broker):
    async_task("tests.tasks.echo", 1)

    (alert,) = evaluate(AlertRules({"depth": 0.5}), broker)

    assert (alert.rule, alert.value) == ("depth", 1)
