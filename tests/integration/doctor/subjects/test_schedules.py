"""What keeps a schedule from running."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_q.doctor.subjects.schedules import examine
from django_q.models import Schedule
from tests.heartbeats import make_stat
from tests.integration.doctor.found import found

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]


def make_schedule(**values):
    """Make a schedule that is due in an hour."""
    defaults = {"func": "tests.tasks.multiply", "next_run": timezone.now() + timedelta(hours=1)}
    return Schedule.objects.create(**{**defaults, **values})


def test_a_schedule_that_will_run_has_no_finding(broker):
    make_schedule()
    make_schedule(func="tests.tasks.gone", paused=True)
    make_schedule(func="tests.tasks.gone", repeats=0)

    assert found(examine) == {}


@pytest.mark.parametrize("func", ["tests.tasks.gone", "tests.gone.multiply", "tests.tasks"])
def test_a_function_that_does_not_import_is_found(func, broker):
    make_schedule(func=func, name="nightly")

    finding = found(examine)["schedule-function"]

    assert finding.level == "error"
    assert f"The schedule 'nightly' ({func})" in finding.found


def test_a_function_that_may_not_run_and_a_hook_that_is_gone_are_found(broker, conf):
    make_schedule(hook="tests.tasks.gone")
    assert found(examine).keys() == {"schedule-hook"}

    conf(functions=["tests.tasks.raise_error"])
    assert "schedule-function" in found(examine)


def test_a_rule_that_can_not_be_read_and_an_error_are_found(broker):
    Schedule.objects.bulk_create(
        [
            Schedule(
                func="tests.tasks.multiply",
                schedule_type=Schedule.CRON,
                cron="not a rule",
                next_run=timezone.now() + timedelta(hours=1),
            )
        ]
    )
    make_schedule(error="the queue was full")

    findings = found(examine)

    assert findings.keys() == {"schedule-rule", "schedule-failed"}
    assert "the queue was full" in findings["schedule-failed"].found


def test_a_queue_that_no_cluster_serves_and_a_due_time_that_has_passed_are_found(broker):
    make_stat(scheduler=0).save(broker)
    make_schedule(cluster="nobody", next_run=timezone.now() - timedelta(hours=2))

    findings = found(examine)

    assert findings.keys() == {"schedule-queue", "schedule-overdue"}
    assert "'scheduler' on" in findings["schedule-overdue"].cure
