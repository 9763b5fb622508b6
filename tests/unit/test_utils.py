"""The small functions and doors of django-q2."""

from __future__ import annotations

from datetime import date, datetime, timezone
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from django.test import override_settings

from django_q import cluster, pusher, scheduler, timeout, utils, worker
from django_q.exceptions import TimeoutException
from tests import tasks

UTC = timezone.utc


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2024, 1, 31), -2, date(2023, 11, 30)),
        (datetime(2024, 1, 31, 9), 13, datetime(2025, 2, 28, 9)),
        (date(2024, 11, 1), 2, date(2025, 1, 1)),
    ],
)
def test_a_date_moves_by_months(day, months, expected):
    assert utils.add_months(day, months) == expected


@pytest.mark.parametrize(("years", "expected"), [(1, date(2025, 2, 28)), (4, date(2028, 2, 29))])
def test_a_date_moves_by_years(years, expected):
    assert utils.add_years(date(2024, 2, 29), years) == expected


@pytest.mark.parametrize(
    "func", [tasks.multiply, partial(tasks.multiply, 2), "tests.tasks.multiply"]
)
def test_a_function_is_named_by_its_path(func):
    assert utils.get_func_repr(func) == "tests.tasks.multiply"


@override_settings(USE_TZ=True, TIME_ZONE="Europe/Amsterdam")
def test_local_time_is_that_of_the_project():
    moment = utils.localtime(datetime(2024, 1, 1, tzinfo=UTC))

    assert moment == datetime(2024, 1, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam"))
    assert moment.hour == 1
    assert utils.localtime().tzinfo is not None


@override_settings(USE_TZ=False)
def test_local_time_stays_as_it_is_without_zones():
    assert utils.localtime(datetime(2024, 1, 1)) == datetime(2024, 1, 1)
    assert utils.localtime().tzinfo is None


def test_the_processes_are_where_django_q2_has_them():
    assert pusher.pusher is cluster.pusher
    assert worker.worker is cluster.worker
    assert worker.rss_check is cluster.rss_check
    assert scheduler.scheduler is cluster.scheduler
    assert timeout.TimeoutHandler(5)
    assert timeout.TimeoutException is TimeoutException
    assert utils.close_old_django_connections is cluster.close_old_django_connections
