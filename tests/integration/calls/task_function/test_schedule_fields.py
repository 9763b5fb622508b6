"""Schedules of task functions: their fields, and their options in the row."""

from __future__ import annotations

import pytest
from django.utils import timezone

from django_q.exceptions import PackageError
from django_q.models import Schedule
from django_q.scheduling.due_schedules import DueSchedules
from django_q.tasks import result_group, schedule
from tests.task_functions import greedy, multiply, send

pytestmark = pytest.mark.django_db(transaction=True)

SEND = "tests.task_functions.send"
#: The options of ``send`` as they travel.
OPTIONS = {"retries": 3, "timeout": 20, "group": "mails", "hook": "tests.task_functions.note"}


def test_it_is_scheduled_with_its_options():
    row = send.schedule({"cron": "0 9 * * *", "name": "morning"}, "ann", token="x")

    assert (row.func, row.schedule_type, row.cron) == (SEND, Schedule.CRON, "0 9 * * *")
    args, kwargs = row.call(row.next_run)
    assert (args, kwargs) == (("ann",), {"token": "x", "q_options": OPTIONS})


def test_schedule_takes_it_with_its_options_and_the_same_fields():
    fields = {"minutes": 5, "name": "often", "catch_up": True, "time_zone": "Europe/Paris"}
    first = schedule(send, "ann", q_options={"retries": 1}, **fields)
    again = send.using(retries=1).schedule({**fields, "update": True}, "ann")

    assert again.pk == first.pk
    assert again.call(again.next_run)[1] == {"q_options": {**OPTIONS, "retries": 1}}
    assert (again.schedule_type, again.minutes) == (Schedule.MINUTES, 5)
    assert (again.catch_up, again.time_zone) == ("all", "Europe/Paris")


def test_a_schedule_that_is_due_enqueues_it(broker, run_all):
    row = multiply.using(group="due").schedule({}, 3, y=5)

    DueSchedules(broker).enqueue_due_runs(row, timezone.now())
    run_all(broker)

    assert result_group("due") == [15]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"corn": "0 9 * * *"}, r"There is no field of schedules 'corn'. Did you mean 'cron'\?"),
        ("0 9 * * *", r"Expected the fields of the schedule first, as in schedule\(\{'cron'"),
    ],
)
def test_the_fields_of_a_schedule_are_checked(fields, message):
    with pytest.raises(PackageError, match=message):
        multiply.schedule(fields, 3)


def test_an_argument_that_a_schedule_would_take_for_an_option_is_refused():
    with pytest.raises(PackageError, match="The argument 'timeout' of a schedule"):
        greedy.schedule({}, timeout=5)
    assert Schedule.objects.count() == 0
