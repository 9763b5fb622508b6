"""A schedule that can not be run stops no other."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection

from django_q.models import Schedule
from django_q.processes.scheduler import SchedulerLoop
from django_q.scheduler import scheduler
from django_q.scheduling.due_schedules import DueSchedules
from django_q.signals import pre_enqueue
from tests.integration.scheduling.due_rows import EITHER_BROKER, ago, make_schedule, taken

pytestmark = pytest.mark.django_db(transaction=True)


BROKEN = {
    "arguments": {"args": "open('/etc/passwd').read()"},
    "keyword arguments": {"kwargs": "x=__import__('os').getpid()"},
    "options": {"kwargs": "q_options=5"},
    "zone": {"time_zone": "Mars/Olympus"},
    "cron": {"schedule_type": Schedule.CRON},
    "minutes": {"schedule_type": Schedule.MINUTES},
    "type": {"schedule_type": "X"},
}


@EITHER_BROKER
@pytest.mark.parametrize("values", BROKEN.values(), ids=BROKEN)
def test_a_broken_schedule_is_disabled_and_blocks_no_other(broker, caplog, values):
    broken = make_schedule(next_run=ago(days=2))
    Schedule.objects.filter(pk=broken.pk).update(**values)
    make_schedule(args="'good'")

    scheduler(broker)
    scheduler(broker)

    assert [package["args"] for package in taken(broker)] == [("good",)]
    broken.refresh_from_db()
    assert broken.paused
    assert broken.error
    assert [broken.error in message for message in caplog.messages].count(True) == 1


def test_a_schedule_that_was_put_right_forgets_its_error(broker):
    make_schedule(error="was broken")

    scheduler(broker)

    assert Schedule.objects.get().error is None


def test_a_failing_receiver_blocks_no_other_and_disables_nothing(broker):
    make_schedule(args="'refused'", next_run=ago(minutes=2))
    make_schedule(args="'good'")

    def refuse(task: dict, **kwargs: Any) -> None:
        if task["args"] == ("refused",):
            raise OSError("no licence")

    pre_enqueue.connect(refuse)
    try:
        scheduler(broker)
    finally:
        pre_enqueue.disconnect(refuse)

    assert [package["args"] for package in taken(broker)] == [("good",)]
    refused = Schedule.objects.get(args="'refused'")
    assert "no licence" in refused.error
    assert not refused.paused
    scheduler(broker)
    assert [package["args"] for package in taken(broker)] == [("refused",)]


@pytest.mark.parametrize("broker", ["orm"], indirect=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="the trigger is one for SQLite")
def test_a_task_that_the_queue_refuses_like_an_outage_blocks_no_other(broker):
    make_schedule(args=repr("x" * 5000), next_run=ago(minutes=2))
    make_schedule(args="'good'")
    watch = SchedulerLoop(DueSchedules(broker))
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON django_q_ormq WHEN LENGTH(NEW.payload) > 5000 "
            "BEGIN SELECT ABS(-9223372036854775808); END"
        )

    try:
        with pytest.raises(OperationalError, match="overflow"):
            watch.enqueue_due()
        seconds = watch.enqueue_due()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse")

    assert [package["args"] for package in taken(broker)] == [("good",)]
    assert 0 < seconds <= 1  # then the other is tried again
