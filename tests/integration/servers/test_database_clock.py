"""Due times go by the clock of the database."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest
from django.db import connections

from django_q.models import OrmQ, Schedule
from django_q.servers.database_clock import epoch_seconds, moment_sql
from tests.faults.clock import SteppedClock

UTC = timezone.utc


ENQUEUE = """
import django, os
django.setup()
from django.conf import settings
from django.test.utils import override_settings
from django_q.conf import Conf
from django_q.brokers.orm import ORM
from django_q.scheduler import scheduler
Conf.ORM = "default"
scheduler(ORM())
"""


@pytest.mark.parametrize(
    ("host", "due", "runs"), [(300, 200, 0), (30, -5, 1), (-30, -20, 1), (-30, 300, 0)]
)
def test_due_times_go_by_the_clock_of_the_database(postgres, tmp_path, host, due, runs):
    made = Schedule(
        func="tests.tasks.echo",
        schedule_type="D",
        next_run=datetime.now(UTC) + timedelta(seconds=due),
    )
    Schedule.objects.using(postgres).all().delete()
    made.save(using=postgres)
    clock = SteppedClock(tmp_path)
    clock.step(host)
    settings = connections[postgres].settings_dict
    url = (
        f"postgres://{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:"
        f"{settings['PORT']}/{settings['NAME']}"
    )
    environment = {
        **os.environ,
        **clock.environment(),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DJANGO_Q_TEST_DATABASE": "postgres",
        "DJANGO_Q_TEST_DATABASE_URL": url,
    }
    OrmQ.objects.using(postgres).all().delete()

    subprocess.run([sys.executable, "-c", ENQUEUE], env=environment, check=True, timeout=60)

    assert OrmQ.objects.using(postgres).count() == runs
    OrmQ.objects.using(postgres).all().delete()
    Schedule.objects.using(postgres).all().delete()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
def test_a_moment_without_a_zone_is_read_as_it_was_stored(settings, monkeypatch, zone):
    if connections["default"].vendor != "sqlite":
        pytest.skip("the tests' database has a clock of its own")
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Berlin"
    monkeypatch.setenv("TZ", zone)  # Django sets it to TIME_ZONE, but not for settings.configure()
    time.tzset()
    moment = datetime(2027, 7, 1, 12, tzinfo=UTC).timestamp()

    _, (stored,) = moment_sql(connections["default"], None, moment)

    try:
        assert epoch_seconds(connections["default"], datetime.fromisoformat(stored)) == moment
    finally:
        monkeypatch.undo()
        time.tzset()
