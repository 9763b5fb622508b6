"""Schedulers as processes: several at once, killed at any instant, with servers that go away."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import Schedule, Success
from django_q.scheduling import wakeup  # noqa: F401 - who saves a schedule has it
from django_q.signing import SignedPackage
from tests.servers import RedisServer, postgres_url
from tests.waiting import DEADLINE, wait_until
from tests.workspace import end_with_test_run, workspace

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(600),
    pytest.mark.django_db(transaction=True),
]

UTC = timezone.utc
EITHER_BROKER = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)

#: The body of the scheduler's process, which ends when its input does. A claim ends soon.
SCRIPT = """
import logging, sys
import django
logging.basicConfig(level=logging.INFO, format="%(message)s")
django.setup()
from django_q.scheduling import due_schedules
from django_q.processes.scheduler import scheduler_of_cluster
from django_q.queues import Flag
due_schedules.CLAIM_SECONDS = 1.0
parent_flag = Flag()
parent_flag.reader = sys.stdin
scheduler_of_cluster(parent_flag)
print("ended in good order")
"""


class Scheduler:
    """A scheduler without the rest of its cluster."""

    def __init__(self, **options: Any) -> None:
        self.log_file = Path(tempfile.mkdtemp(dir=workspace()), "scheduler.log")
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DJANGO_Q_TEST_OPTIONS": json.dumps(options),
            "PYTHONUNBUFFERED": "1",
        }
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        self.pid_file = end_with_test_run(self.process, self.log_file.parent)

    def log(self) -> str:
        """Read what it has logged."""
        return self.log_file.read_text()

    def wait_for(self, text: str, timeout: float = DEADLINE) -> Scheduler:
        """Wait until a text is in the log."""
        wait_until(lambda: text in self.log() or self.process.poll() is not None, timeout)
        assert text in self.log(), self.log()
        return self

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait()
        self.pid_file.unlink(missing_ok=True)
        self.process.stdin.close()

    def stop(self) -> float:
        """End it in good order; the seconds that took."""
        start = time.monotonic()
        self.process.stdin.close()
        self.process.wait(DEADLINE)
        return time.monotonic() - start


@pytest.fixture(autouse=True)
def same_database(monkeypatch) -> None:
    """Let processes find the database server of the test run."""
    if connection.vendor == "postgresql":
        monkeypatch.setenv("DJANGO_Q_TEST_DATABASE_URL", postgres_url())


@pytest.fixture
def start() -> Iterator[Callable[..., Scheduler]]:
    """Start schedulers that end with the test."""
    started: list[Scheduler] = []

    def start(**options: Any) -> Scheduler:
        started.append(Scheduler(**options))
        return started[-1]

    yield start
    for each in started:
        each.kill()


def soon(seconds: float) -> datetime:
    """Tell a time that comes."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def make_schedules(count: int, **values: Any) -> None:
    """Save schedules whose tasks are told when they were due."""
    for _ in range(count):
        Schedule.objects.create(func="tests.tasks.echo", intended_date_kwarg="due", **values)


def packages(broker: Any) -> list[dict]:
    """Take what is in the queue."""
    found = []
    while deliveries := broker.dequeue(1000, wait=0):
        found += [SignedPackage.loads(delivery.payload) for delivery in deliveries]
    return found


def times(found: list[dict]) -> Counter:
    """Count how often each due time of each schedule was enqueued."""
    return Counter((package["group"], package["kwargs"]["due"]) for package in found)


def delay_of(package: dict) -> float:
    """Tell how long after its due time a task was made."""
    due = datetime.fromisoformat(package["kwargs"]["due"])
    return (package["started"] - due).total_seconds()


def counted(count: Callable[[], int], seconds: float) -> int:
    """Tell by how much a count grows in a time."""
    before = count()
    time.sleep(seconds)
    return count() - before


def is_quiet(look: Callable[[], Any], seconds: float) -> bool:
    """Whether what is seen stays the same for a time."""
    before = look()
    time.sleep(seconds)
    return look() == before


@EITHER_BROKER
def test_schedulers_that_race_enqueue_each_due_time_once(broker, start):
    schedulers = [start() for _ in range(4)]
    for each in schedulers:
        each.wait_for("scheduling at")

    make_schedules(50, schedule_type=Schedule.ONCE, repeats=1, next_run=soon(6))
    wait_until(lambda: broker.queue_size() >= 50)
    for each in schedulers:
        each.stop()

    found = times(packages(broker))
    assert (len(found), sum(found.values())) == (50, 50)


@EITHER_BROKER
def test_schedulers_that_are_killed_lose_and_double_nothing(broker, start):
    hours, count = 90, 40
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=hours, minutes=1)
    make_schedules(count, schedule_type=Schedule.HOURLY, next_run=first, catch_up="all")
    due = Schedule.objects.filter(next_run__lte=soon(0))

    victims, kills = [start()], 0
    while due.exists() and kills < 6:
        victim = victims.pop().wait_for("scheduling at")
        victims.append(start())
        time.sleep(random.uniform(0, 0.1))
        victim.kill()
        kills += 1
    wait_until(lambda: not due.exists())
    victims.pop().kill()

    found = times(packages(broker))
    assert set(found.values()) == {1}
    assert len(found) == count * (hours + 1)
    assert kills > 1


@EITHER_BROKER
def test_a_schedule_runs_within_a_second_of_its_due_time(broker, start):
    scheduler = start().wait_for("scheduling at")
    for seconds in (2, 4, 6):
        make_schedules(1, schedule_type=Schedule.ONCE, next_run=soon(seconds))

    wait_until(lambda: broker.queue_size() == 3)

    delays = [delay_of(package) for package in packages(broker)]
    assert all(delay >= 0 for delay in delays)
    assert min(delays) < 1, delays
    assert scheduler.stop() < 30  # it would have slept on for a minute
    assert "ended in good order" in scheduler.log()


@EITHER_BROKER
def test_a_change_wakes_a_scheduler_that_sleeps(broker, start):
    if Conf.ORM and connection.vendor == "mysql":
        pytest.skip("nothing tells of a change in MariaDB")
    scheduler = start().wait_for("scheduling at")
    make_schedules(1, schedule_type=Schedule.DAILY, next_run=soon(3600))
    time.sleep(1)  # it looks, and sleeps again for an hour

    delays = []
    for _ in range(3):
        make_schedules(1, schedule_type=Schedule.ONCE, next_run=soon(0.2))
        wait_until(lambda: broker.queue_size() == 1)
        delays.append(delay_of(packages(broker)[0]))

    assert min(delays) < 4, delays  # who hears of nothing looks every five seconds
    scheduler.stop()


def test_an_idle_scheduler_asks_redis_for_nothing(broker, start):
    make_schedules(1, schedule_type=Schedule.DAILY, next_run=soon(3600))
    scheduler = start().wait_for("scheduling at")

    def commands(seconds: float) -> int:
        return counted(lambda: broker.connection.info("stats")["total_commands_processed"], seconds)

    wait_until(lambda: commands(1) == 1)

    assert commands(6) == 1  # to ask is one
    scheduler.stop()


@pytest.mark.parametrize("broker", ["orm"], indirect=True)
def test_an_idle_scheduler_asks_postgresql_for_nothing(broker, start):
    if connection.vendor != "postgresql":
        pytest.skip("the statements of other databases are not told")
    make_schedules(1, schedule_type=Schedule.DAILY, next_run=soon(3600))
    scheduler = start().wait_for("scheduling at")

    def statements() -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid, query_start FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> PG_BACKEND_PID() ORDER BY pid"
            )
            return cursor.fetchall()

    wait_until(lambda: is_quiet(statements, 1))

    assert is_quiet(statements, 6)
    assert len(statements()) == 1  # the one that listens
    scheduler.stop()


def test_a_scheduler_outlives_an_outage_of_redis(conf, start, request):
    server = RedisServer().start()
    conf(redis=server.url)
    scheduler = start(redis=server.url).wait_for("scheduling at")

    server.stop()
    make_schedules(3, schedule_type=Schedule.DAILY, next_run=soon(-5))
    scheduler.wait_for("can not enqueue what is due")
    server.start()
    broker = get_broker()
    wait_until(lambda: broker.queue_size() == 3)
    scheduler.stop()

    assert set(times(packages(broker)).values()) == {1}
    assert Schedule.objects.filter(paused=True).count() == 0
    broker.close()
    server.stop()


@EITHER_BROKER
def test_a_scheduler_outlives_an_outage_of_its_database(broker, start):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server")
    make_schedules(1, schedule_type=Schedule.DAILY, next_run=soon(3600))
    scheduler = start().wait_for("scheduling at")
    time.sleep(1)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT PG_TERMINATE_BACKEND(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> PG_BACKEND_PID()"
        )
    make_schedules(1, schedule_type=Schedule.ONCE, next_run=soon(1))

    wait_until(lambda: broker.queue_size() == 1)
    assert delay_of(packages(broker)[0]) < 30
    scheduler.stop()


@EITHER_BROKER
def test_a_cluster_runs_what_is_due_also_when_its_scheduler_is_killed(broker, running_cluster):
    cluster = running_cluster(scheduler=True)
    cluster.wait_for("scheduling at")
    make_schedules(1, schedule_type=Schedule.ONCE, name="first", next_run=soon(1))
    wait_until(lambda: Success.objects.filter(group="first").exists())

    cluster.kill("scheduler")
    cluster.wait_for("scheduling at", 2)
    make_schedules(1, schedule_type=Schedule.ONCE, name="second", next_run=soon(1))
    wait_until(lambda: Success.objects.filter(group="second").exists())

    assert cluster.stop() == 0
    assert cluster.log().count("created a task from schedule") == 2
    assert Success.objects.count() == 2
