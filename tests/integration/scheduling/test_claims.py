"""A due time is enqueued once, whoever dies or reads it at the same time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from redis import ConnectionError as RedisAway

from django_q.brokers import Broker, adapt_broker, get_broker
from django_q.exceptions import TimeoutException
from django_q.models import Schedule
from django_q.scheduler import scheduler
from django_q.scheduling.due_schedules import DueSchedules
from tests.integration.scheduling.due_rows import EITHER_BROKER, UTC, ago, make_schedule, taken

pytestmark = pytest.mark.django_db(transaction=True)


def end_claims() -> None:
    """Let the claims of schedulers that died be over."""
    Schedule.objects.exclude(claimed=None).update(claimed=Now() - timedelta(seconds=1))


class Killed(TimeoutException):
    """Stands for the end of the process: the one thing that no handler of a cluster keeps."""

    ends_task = True


def kill(*args: Any, **kwargs: Any) -> Any:
    """End the process, as far as a test can."""
    raise Killed


def interrupt(broker: Any, monkeypatch: Any, where: Any, name: str, step: Any) -> None:
    """Begin a pass that a step of it ends."""
    with monkeypatch.context() as patch:
        patch.setattr(where, name, step)
        with pytest.raises((Killed, RedisAway, OperationalError)):
            scheduler(broker)


@EITHER_BROKER
def test_a_schedule_is_not_fired_twice_by_who_read_it_at_the_same_time(broker):
    make_schedule()
    row, same = Schedule.objects.get(), Schedule.objects.get()
    first, second = DueSchedules(broker), DueSchedules(broker)

    assert len(first.enqueue_due_runs(row, datetime.now(UTC))) == 1
    assert second.enqueue_due_runs(same, datetime.now(UTC)) is None

    assert len(taken(broker)) == 1


@EITHER_BROKER
@pytest.mark.parametrize("change", [{"paused": True}, {"next_run": ago(days=-1)}, {"repeats": 0}])
def test_a_schedule_that_was_changed_meanwhile_is_looked_at_again(broker, change):
    row = make_schedule()
    Schedule.objects.update(**change)

    assert DueSchedules(broker).enqueue_due_runs(row, datetime.now(UTC)) is None

    assert broker.queue_size() == 0


def test_a_death_before_the_queue_loses_nothing(broker, monkeypatch):
    make_schedule()
    interrupt(broker, monkeypatch, type(broker), "enqueue_once", kill)

    scheduler(broker)
    assert broker.queue_size() == 0  # its time may yet be served by who claimed it
    end_claims()
    scheduler(broker)

    assert len(taken(broker)) == 1


def test_a_death_behind_the_queue_doubles_nothing(broker, monkeypatch):
    schedule = make_schedule()
    interrupt(broker, monkeypatch, DueSchedules, "advance", kill)

    end_claims()
    scheduler(broker)

    (package,) = taken(broker)
    schedule.refresh_from_db()
    assert schedule.task == package["id"]
    assert schedule.next_run > datetime.now(UTC)


def test_a_death_among_missed_runs_doubles_and_loses_none(broker, monkeypatch):
    make_schedule(schedule_type=Schedule.HOURLY, next_run=ago(hours=5.5), catch_up="all")
    enqueue_once, count = type(broker).enqueue_once, iter(range(10))

    def third_time(*args: Any) -> bool:
        return enqueue_once(*args) if next(count) < 3 else kill()

    interrupt(broker, monkeypatch, type(broker), "enqueue_once", third_time)

    end_claims()
    scheduler(broker)

    ids = [package["id"] for package in taken(broker)]
    assert len(ids) == len(set(ids)) == 6


def test_a_claim_that_came_to_nothing_is_given_up(broker, monkeypatch):
    make_schedule()

    def away(*args: Any) -> None:
        raise RedisAway("refused")

    interrupt(broker, monkeypatch, type(broker), "enqueue_once", away)
    scheduler(broker)

    assert len(taken(broker)) == 1


@pytest.mark.parametrize("broker", ["orm"], indirect=True)
def test_queue_and_schedule_in_one_database_change_together(broker, monkeypatch):
    schedule = make_schedule()

    def away(*args: Any) -> None:
        raise OperationalError("gone")

    interrupt(broker, monkeypatch, type(broker), "enqueue_many", away)

    assert Schedule.objects.get().next_run == schedule.next_run
    scheduler(broker)
    assert len(taken(broker)) == 1


class PairBroker(Broker):
    """A broker as written for django-q2, in memory."""

    queue: list[str] = []

    def enqueue(self, task: str) -> str:
        self.queue.append(task)
        return "1"

    def dequeue(self) -> list[tuple]:
        pairs = [(1, task) for task in self.queue]
        self.queue.clear()
        return pairs


def test_a_broker_of_django_q2_is_served(conf):
    conf(broker_class=f"{__name__}.PairBroker")
    make_schedule()

    scheduler()
    scheduler()

    assert len(taken(adapt_broker(get_broker()))) == 1
