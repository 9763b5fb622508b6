"""Schedules in another database than the default one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from django_q.brokers.redis.scheduler_wakeup import RedisSchedulerWakeup
from django_q.brokers.scheduler_wakeup import SchedulerWakeup
from django_q.descriptor_wait import wait_until_readable
from django_q.models import Schedule, ScheduleSource
from django_q.scheduler import scheduler
from django_q.scheduling.wakeup import scheduler_wakeup_for
from tests.integration.scheduling.declared.releases import declared, start

UTC = timezone.utc


class ToPostgres:
    """A router for schedules that live in a database of their own."""

    def db_for_write(self, model: type, **hints: Any) -> str | None:
        return "postgres" if model is Schedule else None

    db_for_read = db_for_write


@pytest.fixture
def elsewhere(postgres) -> Iterator[str]:
    """Let schedules live on PostgreSQL."""
    with override_settings(DATABASE_ROUTERS=[ToPostgres()]):
        Schedule.objects.all().delete()
        yield postgres
        Schedule.objects.all().delete()


def make_schedule(**overrides: Any) -> Schedule:
    """Save a daily schedule that is due."""
    due = datetime.now(UTC) - timedelta(seconds=5)
    values = {"func": "tests.tasks.echo", "schedule_type": Schedule.DAILY, "next_run": due}
    return Schedule.objects.create(**(values | overrides))


def is_woken(wakeup_source: SchedulerWakeup, seconds: float = 2) -> bool:
    """Whether a message arrives."""
    is_readable = bool(wait_until_readable(wakeup_source.sources(), seconds))
    wakeup_source.drain()
    return is_readable


@pytest.fixture
def wakeup_source(elsewhere, make_broker) -> Iterator[SchedulerWakeup]:
    """Listen to the database, where the broker is no Redis."""
    wakeup_source = scheduler_wakeup_for(make_broker("postgres"), elsewhere)
    wakeup_source.listen()
    yield wakeup_source
    wakeup_source.close()


def test_schedules_are_read_and_claimed_where_the_router_says(broker, elsewhere):
    make_schedule()

    scheduler(broker)
    scheduler(broker)

    assert broker.queue_size() == 1
    assert Schedule.objects.get().next_run > datetime.now(UTC)


def test_the_queue_beside_the_schedules_changes_with_them(elsewhere, make_broker):
    broker = make_broker("postgres")
    make_schedule()

    scheduler(broker)
    scheduler(broker)

    assert broker.queue_size() == 1


def test_a_saved_schedule_wakes_who_listens_to_the_database(wakeup_source):
    make_schedule()

    assert is_woken(wakeup_source)
    assert not is_woken(wakeup_source, 0.1)


def test_a_schedule_wakes_nobody_before_its_transaction_commits(wakeup_source):
    with transaction.atomic("postgres"):
        make_schedule()
        assert not is_woken(wakeup_source, 0.2)

    assert is_woken(wakeup_source)


def test_a_schedule_that_is_rolled_back_wakes_nobody(wakeup_source):
    with transaction.atomic("postgres"):
        make_schedule()
        transaction.set_rollback(True, "postgres")

    assert not is_woken(wakeup_source, 0.2)


def test_who_hears_of_changes_looks_seldom_by_itself(wakeup_source):
    assert wakeup_source.check_interval == 60


def test_a_redis_broker_wakes_by_redis_wherever_schedules_are(broker, elsewhere):
    wakeup_source = scheduler_wakeup_for(broker, elsewhere)
    wakeup_source.listen()
    wait_until_readable(wakeup_source.sources(), 1)
    wakeup_source.drain()

    make_schedule()

    assert isinstance(wakeup_source, RedisSchedulerWakeup)
    assert is_woken(wakeup_source)
    wakeup_source.close()


def test_declared_schedules_are_written_where_the_router_says(elsewhere):
    ScheduleSource.objects.using(elsewhere).all().delete()
    try:
        start(declared(report={"cron": "0 3 * * *"}))
        start(declared(report={"cron": "0 5 * * *"}))

        assert [row.cron for row in Schedule.objects.using(elsewhere)] == ["0 5 * * *"]
    finally:
        ScheduleSource.objects.using(elsewhere).all().delete()
