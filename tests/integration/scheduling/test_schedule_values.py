"""Values of ``schedule()``: times, types, numbers and options."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.utils.functional import lazystr

from django_q.exceptions import PackageError
from django_q.models import Schedule
from django_q.models.schedule_fields import argument_text
from django_q.models.schedule_fields.type_words import schedule_type
from django_q.tasks import run_now, schedule
from tests.tasks import echo

pytestmark = pytest.mark.django_db


def test_naive_times_are_of_the_projects_zone(settings):
    naive = datetime(2999, 5, 5, 9)

    assert schedule(echo, next_run=naive).next_run == datetime(
        2999, 5, 5, 9, tzinfo=ZoneInfo("Europe/Amsterdam")
    )


@pytest.mark.parametrize("given", ["soon", "2030-13-01", "", 5, timedelta(1), ["2030-01-01"]])
def test_what_is_no_time_is_refused(given):
    with pytest.raises(PackageError, match="must be a time such as"):
        schedule(echo, next_run=given)


@pytest.mark.parametrize("word", ["DAILY", "daily", "Daily", "d", "D"])
def test_a_type_may_be_a_word(word):
    made = schedule(echo, schedule_type=word)
    assert made.schedule_type == Schedule.DAILY
    assert made.calculate_next_run() - made.next_run == timedelta(days=1)

    saved = Schedule(func="f", schedule_type=word)
    saved.full_clean()
    assert saved.schedule_type == Schedule.DAILY
    assert Schedule.objects.create(func="f", schedule_type=word).schedule_type == Schedule.DAILY


def test_every_type_has_its_word():
    for code, label in Schedule.TYPE:
        assert schedule_type(str(label).upper()) == schedule_type(code.lower()) == code
    assert schedule_type("BI-WEEKLY") == Schedule.BIWEEKLY


def test_numbers_and_names_may_be_text():
    made = schedule(echo, name=5, minutes="5", repeats="3", cluster=lazystr("test"))
    schedule(echo, name="5", minutes="5", repeats="9", update=True, cluster="test")
    made.refresh_from_db()

    assert (made.name, made.minutes, made.repeats, made.cluster) == ("5", 5, 3, "test")
    assert schedule(echo, minutes=timedelta(minutes=5)).minutes == 5


def test_options_of_a_schedule_are_written_as_what_they_mean(broker):
    made = schedule(
        echo,
        x=1,
        timeout=timedelta(minutes=1),
        q_options={"group": UUID(int=5), "max_attempts": Decimal(3)},
    )

    options = argument_text.parse_kwargs(made.kwargs)
    assert options["timeout"] == 60
    assert options["q_options"] == {"group": str(UUID(int=5)), "max_attempts": 3}
    run_now(made, broker)
    assert broker.queue_size() == 1
