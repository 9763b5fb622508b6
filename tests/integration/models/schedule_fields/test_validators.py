"""Fields of schedules: what is refused, and by which message."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone as django_timezone

from django_q.exceptions import PackageError
from django_q.models import (
    Schedule,
    validate_cron,
    validate_kwarg,
)
from django_q.scheduling.due_schedules import DueSchedules
from django_q.tasks import run_now, schedule
from tests.tasks import echo

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("value", ["class", "1a", "a-b", "", "a b"])
def test_what_can_not_name_an_argument_is_refused(value):
    with pytest.raises(ValidationError):
        validate_kwarg(value)


def test_what_can_name_an_argument_or_a_time_is_accepted():
    assert validate_kwarg("due") is validate_cron("*/5 9-17 * * 1-5") is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: schedule(None),
        lambda: schedule(3),
        lambda: schedule("a:b"),
        lambda: schedule(""),
        lambda: schedule(echo, hook=3),
        lambda: schedule(echo, hook="a:b"),
        lambda: schedule(echo, timeout="soon"),
        lambda: schedule(echo, name=["a"]),
        lambda: schedule(echo, cluster=["a"]),
        lambda: schedule(echo, q_options={"timeout": "soon"}),
        lambda: schedule(echo, q_options={"group": ["a"]}),
        lambda: schedule(echo, q_options={"chain": [("f", 1, 2, 3)]}),
        lambda: schedule(echo, q_options={"broker": "default"}),
        lambda: schedule(echo, q_options="group"),
    ],
)
def test_a_schedule_that_could_make_no_task_is_refused(call):
    with pytest.raises(PackageError, match="must be"):
        call()

    assert Schedule.objects.count() == 0


WRONG = [
    {"kwargs": "q_options={'timeout': 'soon'}"},
    {"kwargs": "timeout='soon'"},
    {"kwargs": "q_options={'group': ['a']}"},
    {"kwargs": "q_options=5"},
    {"kwargs": "{'q_options': {'chain': [3]}}"},
    {"func": "a:b"},
    {"hook": "a:b"},
]


@pytest.mark.parametrize("fields", WRONG)
def test_the_text_of_a_schedule_is_validated(fields):
    made = Schedule(**{"func": "tests.tasks.echo", **fields})

    with pytest.raises(ValidationError) as caught:
        made.full_clean()
    assert set(caught.value.message_dict) == set(fields)


@pytest.mark.parametrize("fields", WRONG)
def test_a_schedule_that_was_saved_without_that_is_stopped_with_the_reason(broker, fields):
    now = django_timezone.now()
    values = {"func": "tests.tasks.echo", "next_run": now - timedelta(minutes=1), **fields}
    made = Schedule.objects.create(schedule_type=Schedule.DAILY, **values)

    DueSchedules(broker).enqueue_due_runs(made, now)

    made.refresh_from_db()
    assert made.paused
    assert "must be" in made.error
    assert broker.queue_size() == 0
    with pytest.raises(PackageError, match="must be"):
        run_now(made, broker)
