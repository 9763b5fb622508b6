"""Schedules that code writes, with ``schedule()``."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone as django_timezone
from django.utils.functional import lazystr
from django.utils.timezone import now

from django_q.exceptions import PackageError
from django_q.models import Schedule
from django_q.scheduling import schedules_in_code
from django_q.tasks import schedule
from tests.tasks import Calculator, echo, hook, multiply

pytestmark = pytest.mark.django_db


TOMORROW = datetime(2999, 5, 5, 9, tzinfo=timezone.utc)


def again(**changes: Any) -> Schedule:
    """Run the code of a deployment."""
    options = {"name": "report", "schedule_type": Schedule.DAILY, "update": True, **changes}
    return schedule(options.pop("func", echo), *options.pop("args", ()), **options)


def test_a_schedule_is_saved():
    before = now()

    made = schedule(
        "math.copysign",
        2,
        -2,
        name="copy",
        hook="tests.tasks.hook",
        schedule_type=Schedule.DAILY,
        x="text",
        q_options={"timeout": 5},
    )

    made.refresh_from_db()
    assert (made.func, made.hook, made.name) == ("math.copysign", "tests.tasks.hook", "copy")
    assert made.args == "(2, -2)"
    assert made.kwargs == "{'x': 'text', 'q_options': {'timeout': 5}}"
    assert (made.schedule_type, made.repeats, made.paused) == ("D", -1, False)
    assert before <= made.next_run <= now()
    assert made.call(made.next_run)[0] == (2, -2)


def test_a_schedule_runs_once_unless_told():
    assert schedule(echo).schedule_type == Schedule.ONCE
    assert schedule(echo, minutes=5).schedule_type == Schedule.MINUTES
    assert schedule(echo, cron="0 9 * * *").schedule_type == Schedule.CRON
    assert schedule(echo, next_run=TOMORROW).next_run == TOMORROW


def test_a_cron_schedule_is_due_when_its_expression_says_so():
    made = schedule(echo, cron="30 9 * * *", time_zone=ZoneInfo("Asia/Tokyo"))

    assert made.next_run.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%H:%M") == "09:30"
    assert made.time_zone == "Asia/Tokyo"


def test_functions_are_stored_by_name():
    made = schedule(multiply, 2, 3, hook=hook)

    assert (made.func, made.hook) == ("tests.tasks.multiply", "tests.tasks.hook")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: schedule(lambda: 1), "The function of a schedule must be importable"),
        (lambda: schedule(Calculator().add), "'tests.tasks.Calculator.add' is not"),
        (lambda: schedule(echo, hook=lambda task: 1), "The hook of a schedule must be importable"),
        (lambda: schedule(echo, 1, Decimal(2)), r"Argument 2 \(Decimal\)"),
        (lambda: schedule(echo, x=[TOMORROW]), r"Argument 'x' \(list\)"),
        (lambda: schedule(echo, x=float("nan")), r"Argument 'x' \(float\)"),
        (lambda: schedule(echo, q_options={"hook": hook}), "Argument 'q_options'"),
        (lambda: schedule(echo, update=True), "updated by its name"),
        (lambda: schedule(echo, "x" * 66_000), "65536 characters at most"),
        (lambda: schedule(echo, *range(20_000)), "65536 characters at most"),
    ],
)
def test_what_can_not_be_written_down_is_named(call, message):
    with pytest.raises(PackageError, match=message):
        call()

    assert Schedule.objects.count() == 0


@pytest.mark.parametrize(
    "options",
    [
        {"cron": "61 * * * *"},
        {"schedule_type": Schedule.CRON},
        {"schedule_type": Schedule.MINUTES},
        {"minutes": 0},
        {"minutes": -5},
        {"minutes": 10**9},
        {"cron": "R 9 * * *"},
        {"schedule_type": "X"},
        {"intended_date_kwarg": "not a name"},
        {"time_zone": "Europe/Nowhere"},
        {"catch_up": "some"},
        {"overlap": "maybe"},
    ],
)
def test_what_makes_no_schedule_is_refused(options):
    with pytest.raises(ValidationError):
        schedule(echo, **options)

    assert Schedule.objects.count() == 0


def test_a_name_is_taken_once():
    schedule(echo, name="report")

    with (
        transaction.atomic(),
        pytest.raises(IntegrityError, match=r"^A schedule with the same name already exists\.$"),
    ):
        schedule(echo, name="report")
    schedule(echo)
    schedule(echo)

    assert Schedule.objects.count() == 3


@pytest.mark.parametrize(
    ("given", "kept"), [("all", "all"), (True, "all"), (False, "latest"), (None, None)]
)
def test_missed_runs_are_decided_for_each_schedule(given, kept):
    assert schedule(echo, catch_up=given).catch_up == kept


def test_code_that_runs_on_every_deployment_makes_no_duplicates():
    first = again()
    second = again()

    assert first.pk == second.pk
    assert Schedule.objects.count() == 1


def test_a_deployment_changes_what_is_called_and_keeps_when():
    made = again(repeats=5, next_run=TOMORROW)
    Schedule.objects.update(repeats=3, error="broken")

    made = again(func=multiply, args=(2, 3), repeats=5, next_run=now(), hook=hook, cluster="c")

    made.refresh_from_db()
    assert (made.func, made.args, made.hook, made.cluster) == (
        "tests.tasks.multiply",
        "(2, 3)",
        "tests.tasks.hook",
        "c",
    )
    assert (made.next_run, made.repeats) == (TOMORROW, 3)
    assert made.error is None


def test_a_deployment_that_changes_nothing_does_not_revive_what_is_broken():
    again()
    Schedule.objects.update(error="broken")

    assert again().error == "broken"


def test_what_an_administrator_decided_stays():
    again()
    Schedule.objects.update(paused=True, overlap="skip", catch_up="none", time_zone="Asia/Tokyo")

    made = again()

    assert (made.paused, made.overlap, made.catch_up) == (True, "skip", "none")
    assert made.time_zone == "Asia/Tokyo"
    assert again(paused=False, overlap="allow").paused is False


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule_type": Schedule.HOURLY},
        {"schedule_type": Schedule.MINUTES, "minutes": 5},
        {"time_zone": "Asia/Tokyo"},
    ],
)
def test_another_rule_starts_anew(changes):
    again(next_run=TOMORROW, repeats=5)
    Schedule.objects.update(anchor=TOMORROW, claimed=TOMORROW, repeats=1)

    made = again(**changes, repeats=5)

    assert made.next_run < TOMORROW
    assert (made.anchor, made.claimed, made.repeats) == (None, None, 5)


def test_another_cron_expression_starts_anew():
    made = again(schedule_type=None, cron="0 9 * * *", time_zone="UTC")
    assert made.next_run.hour == 9

    made = again(schedule_type=None, cron="0 21 * * *", time_zone="UTC")

    assert made.next_run.hour == 21
    assert made.next_run > now()


def test_a_run_that_is_to_come_is_moved():
    again(schedule_type=Schedule.ONCE, next_run=TOMORROW)

    later = TOMORROW + timedelta(days=1)
    made = again(schedule_type=Schedule.ONCE, next_run=later)
    assert made.next_run == later

    past = now() - timedelta(days=1)
    assert again(schedule_type=Schedule.ONCE, next_run=past).next_run == later


def test_an_update_that_makes_no_schedule_changes_nothing():
    again()

    with pytest.raises(ValidationError):
        again(schedule_type=Schedule.CRON, cron="61 * * * *")

    assert Schedule.objects.get().schedule_type == Schedule.DAILY


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_deploy_at_once_make_one(monkeypatch):
    both = threading.Barrier(2)
    plain = schedules_in_code.keep_oldest

    def meet(made: Schedule) -> Schedule:
        both.wait(60)
        return plain(made)

    monkeypatch.setattr(schedules_in_code, "keep_oldest", meet)
    monkeypatch.setattr(
        schedules_in_code, "schedules_named", same_name_blind(schedules_in_code.schedules_named)
    )
    made = []

    def deploy() -> None:
        made.append(again().pk)
        connection.close()

    threads = [threading.Thread(target=deploy) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Schedule.objects.count() == 1
    assert set(made) == {Schedule.objects.get().pk}


def same_name_blind(plain: Any) -> Any:
    """Find nothing inside a transaction, as if another process were a moment behind."""
    return lambda name: plain(None if connection.in_atomic_block else name)


@pytest.mark.parametrize(
    ("given", "local"),
    [
        ("2030-01-01 10:00", "2030-01-01 10:00"),
        ("2030-01-01T10:00:30", "2030-01-01 10:00"),
        ("2030-01-01", "2030-01-01 00:00"),
        (lazystr("2030-01-01 10:00"), "2030-01-01 10:00"),
        (date(2030, 1, 1), "2030-01-01 00:00"),
        (datetime(2030, 1, 1, 10), "2030-01-01 10:00"),
        ("2030-01-01 10:00+00:00", "2030-01-01 11:00"),
    ],
)
def test_a_time_may_be_text_or_a_date(given, local):
    with django_timezone.override("Europe/Amsterdam"):
        made = schedule(echo, name="a", next_run=given)
        made.refresh_from_db()
        found = django_timezone.localtime(made.next_run).strftime("%Y-%m-%d %H:%M")
        again = schedule(echo, name="a", next_run=given, update=True)

    assert found == local
    assert again.next_run == made.next_run
