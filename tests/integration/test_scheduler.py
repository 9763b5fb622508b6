"""Schedules that are due, enqueued by passes in the tests' own process."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from redis import ConnectionError as RedisAway

from django_q.brokers import Broker, adapt_broker, get_broker
from django_q.exceptions import TimeoutException
from django_q.models import Schedule, Success, Task
from django_q.models.schedule import aware_utc
from django_q.processes.scheduler import SchedulerLoop
from django_q.scheduler import scheduler
from django_q.scheduling import due_schedules
from django_q.scheduling.due_schedules import DueSchedules, run_now
from django_q.signals import pre_enqueue
from django_q.signing import SignedPackage
from django_q.tasks import async_task

pytestmark = pytest.mark.django_db(transaction=True)

UTC = timezone.utc
EITHER_BROKER = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
FUNC = "tests.tasks.echo"


def ago(**span: float) -> datetime:
    """Tell a time that has passed."""
    return datetime.now(UTC) - timedelta(**span)


def make_schedule(**overrides: Any) -> Schedule:
    """Save a daily schedule that is due."""
    values = {"func": FUNC, "schedule_type": Schedule.DAILY, "next_run": ago(seconds=5)}
    return Schedule.objects.create(**(values | overrides))


def taken(broker: Any) -> list[dict]:
    """Take what is in the queue, as packages."""
    return [SignedPackage.loads(each.payload) for each in broker.dequeue(1000, wait=0)]


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


def test_a_scheduler_without_schedules_makes_no_queryset(broker, monkeypatch):
    monkeypatch.delattr(DueSchedules, "active")

    with CaptureQueriesContext(connection) as queries:
        scheduler(broker)

    assert len(queries) == 1


@EITHER_BROKER
def test_a_due_schedule_is_enqueued_once_and_advanced(broker):
    schedule = make_schedule(args="1, 'two'", kwargs="a=3")
    due = schedule.next_run

    scheduler(broker)
    scheduler(broker)

    (package,) = taken(broker)
    assert (package["func"], package["args"], package["kwargs"]) == (FUNC, (1, "two"), {"a": 3})
    schedule.refresh_from_db()
    assert schedule.next_run - due >= timedelta(hours=23)
    assert (schedule.task, schedule.claimed) == (package["id"], None)


@EITHER_BROKER
def test_a_scheduled_task_runs(broker, run_once):
    make_schedule(name="doubled", func="tests.tasks.multiply", args="3, 2")

    scheduler(broker)
    run_once(broker)

    success = Success.objects.get()
    assert (success.result, success.group, success.cluster) == (6, "doubled", "test")
    assert Schedule.objects.get().success() is True


def test_what_is_not_due_is_left_alone(broker):
    make_schedule(next_run=ago(hours=-1))
    make_schedule(next_run=None)
    make_schedule(paused=True)
    make_schedule(repeats=0)
    make_schedule(cluster="other")

    scheduler(broker)

    assert broker.queue_size() == 0


def test_it_says_which_schedule_a_task_is_from(broker, caplog):
    schedule = make_schedule()

    with caplog.at_level(logging.INFO, "django-q"):
        scheduler(broker)

    assert f"MainProcess created a task from schedule {schedule.pk} [{FUNC}]" in caplog.messages


@EITHER_BROKER
def test_a_schedule_that_runs_once_is_deleted(broker):
    make_schedule(schedule_type=Schedule.ONCE)

    scheduler(broker)

    assert len(taken(broker)) == 1
    assert not Schedule.objects.exists()


@EITHER_BROKER
def test_a_schedule_that_runs_once_is_kept_where_repeats_are_set(broker):
    schedule = make_schedule(schedule_type=Schedule.ONCE, repeats=1)

    scheduler(broker)
    scheduler(broker)

    assert len(taken(broker)) == 1
    kept = Schedule.objects.get()
    assert (kept.repeats, kept.next_run) == (0, schedule.next_run)


@EITHER_BROKER
def test_a_due_time_that_is_set_again_runs_again(broker):
    schedule = make_schedule(schedule_type=Schedule.ONCE, repeats=1)
    scheduler(broker)

    Schedule.objects.filter(pk=schedule.pk).update(repeats=1)
    scheduler(broker)

    first, second = taken(broker)
    assert first["id"] != second["id"]


def test_repeats_are_counted_down(broker):
    schedule = make_schedule(schedule_type=Schedule.MINUTES, minutes=1, repeats=2)
    for _ in range(3):
        scheduler(broker)
        Schedule.objects.filter(pk=schedule.pk).update(next_run=ago(seconds=5))

    assert len(taken(broker)) == 2
    assert Schedule.objects.get().repeats == 0


def test_missed_runs_end_with_the_repeats(broker):
    make_schedule(schedule_type=Schedule.HOURLY, next_run=ago(hours=5), repeats=2, catch_up="all")

    scheduler(broker)

    assert len(taken(broker)) == 2
    assert Schedule.objects.get().repeats == 0


@pytest.mark.parametrize(
    ("cluster", "names"),
    [("test", {"", "null", "test"}), ("other", {"other"})],
)
def test_each_cluster_runs_its_own_schedules(broker, conf, cluster, names):
    for name, value in {"null": None, "": "", "test": "test", "other": "other"}.items():
        make_schedule(name=name, cluster=value, args=repr(name))
    conf(cluster_name=cluster)
    own = get_broker()

    scheduler(own)

    assert {package["args"][0] for package in taken(own)} == names
    own.delete_queue()


def test_a_task_goes_to_the_queue_that_its_options_name(broker):
    make_schedule(kwargs="q_options={'cluster': 'other'}")

    scheduler(broker)

    other = get_broker("other")
    assert [package["cluster"] for package in taken(other)] == ["other"]
    other.delete_queue()


def test_options_of_the_task_are_honoured(broker):
    options = {"task_name": "nightly", "timeout": 7, "group": "own", "hook": "tests.tasks.hook"}
    make_schedule(kwargs=str({"x": 1, "q_options": options}))

    scheduler(broker)

    (package,) = taken(broker)
    assert package["kwargs"] == {"x": 1}
    assert (package["name"], package["timeout"], package["group"]) == ("nightly", 7, "own")
    assert package["hook"] == "tests.tasks.hook"


@pytest.mark.parametrize("name", ["nightly", None])
def test_the_group_is_the_name_or_the_id(broker, name):
    schedule = make_schedule(name=name, hook="tests.tasks.hook")

    scheduler(broker)

    (package,) = taken(broker)
    assert package["group"] == (name or str(schedule.pk))
    assert package["hook"] == "tests.tasks.hook"


def test_a_task_is_told_when_it_was_due(broker):
    schedule = make_schedule(intended_date_kwarg="due")

    scheduler(broker)

    assert taken(broker)[0]["kwargs"] == {"due": schedule.next_run.isoformat()}


@pytest.mark.parametrize(
    ("catch_up", "hours"), [("all", [5.5, 4.5, 3.5, 2.5, 1.5, 0.5]), ("latest", [0.5])]
)
def test_missed_runs_are_caught_up_with_as_asked(broker, catch_up, hours):
    now = datetime.now(UTC)
    make_schedule(
        schedule_type=Schedule.HOURLY,
        next_run=now - timedelta(hours=5.5),
        catch_up=catch_up,
        intended_date_kwarg="due",
    )

    scheduler(broker)

    due = [datetime.fromisoformat(package["kwargs"]["due"]) for package in taken(broker)]
    assert due == [now - timedelta(hours=each) for each in hours]
    assert Schedule.objects.get().next_run > now


def test_missed_runs_are_left_out_where_none_is_asked_for(broker):
    make_schedule(schedule_type=Schedule.HOURLY, next_run=ago(hours=4, minutes=30), catch_up="none")

    scheduler(broker)

    assert broker.queue_size() == 0
    assert Schedule.objects.get().next_run > datetime.now(UTC)


@EITHER_BROKER
def test_a_flood_of_missed_runs_comes_in_parts_and_is_logged(broker, caplog, monkeypatch):
    monkeypatch.setattr(due_schedules, "MAX_MISSED_RUNS", 10)
    make_schedule(schedule_type=Schedule.HOURLY, next_run=ago(hours=24.5), catch_up="all")

    scheduler(broker)

    assert len({package["id"] for package in taken(broker)}) == 25
    assert sum("has missed more than 10 runs" in message for message in caplog.messages) == 2


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


@EITHER_BROKER
def test_a_run_is_skipped_while_the_one_before_waits(broker, caplog):
    schedule = overlapping(broker)

    with caplog.at_level(logging.INFO, "django-q"):
        scheduler(broker)

    assert broker.queue_size() == 1
    schedule.refresh_from_db()
    assert schedule.next_run > datetime.now(UTC)
    assert any("skips a run" in message for message in caplog.messages)


@EITHER_BROKER
def test_a_run_is_skipped_while_the_one_before_runs(broker):
    overlapping(broker)
    broker.dequeue(wait=0)

    scheduler(broker)

    assert broker.queue_size() == 0


@EITHER_BROKER
@pytest.mark.parametrize("options", [{}, {"save_limit": -1}, {"cached": True}, {"save_limit": 1}])
def test_a_run_is_not_skipped_when_the_one_before_has_ended(broker, conf, run_once, options):
    conf(**options)
    overlapping(broker)
    run_once(broker)
    async_task("tests.tasks.nothing", broker=broker)
    run_once(broker)
    async_task("tests.tasks.nothing", broker=broker)  # the queue is never empty

    scheduler(broker)

    assert broker.queue_size() == 2


@EITHER_BROKER
def test_a_run_is_not_skipped_when_the_one_before_was_deleted(broker):
    overlapping(broker)
    broker.delete_queue()

    scheduler(broker)

    assert broker.queue_size() == 1


def test_an_end_that_comes_before_the_schedule_is_advanced_counts(broker, run_once, monkeypatch):
    advance = DueSchedules.advance

    def advance_late(*args: Any) -> bool:
        run_once(broker)
        Task.objects.all().delete()
        async_task("tests.tasks.nothing", broker=broker)
        return advance(*args)

    make_schedule(overlap="skip")
    with monkeypatch.context() as patch:
        patch.setattr(DueSchedules, "advance", advance_late)
        scheduler(broker)
    Schedule.objects.update(next_run=ago(seconds=5))

    scheduler(broker)

    assert broker.queue_size() == 2


def test_one_of_several_missed_runs_is_enough_where_they_would_overlap(broker):
    make_schedule(
        schedule_type=Schedule.HOURLY, next_run=ago(hours=9), catch_up="all", overlap="skip"
    )

    scheduler(broker)

    assert len(taken(broker)) == 1


def overlapping(broker: Any) -> Schedule:
    """Make a schedule whose task is queued and that is due again."""
    schedule = make_schedule(overlap="skip")
    scheduler(broker)
    Schedule.objects.update(next_run=ago(seconds=5))
    return schedule


@EITHER_BROKER
def test_running_one_now_changes_no_due_time(broker):
    schedule = make_schedule(next_run=ago(days=-1), args="1", intended_date_kwarg="due")

    task_id = run_now(schedule)

    (package,) = taken(broker)
    assert (package["id"], package["args"]) == (task_id, (1,))
    assert "due" in package["kwargs"]
    now = Schedule.objects.get()
    assert (now.task, now.next_run, now.repeats) == (task_id, schedule.next_run, -1)


def test_running_one_now_waits_for_the_transaction(broker):
    schedule = make_schedule(next_run=ago(days=-1))

    with transaction.atomic():
        run_now(schedule, broker)
        assert broker.queue_size() == 0

    assert broker.queue_size() == 1


def test_tasks_run_at_once_where_sync_is_set(broker, conf):
    conf(sync=True)
    make_schedule(func="tests.tasks.multiply", args="3, 2")

    scheduler(broker)

    assert Task.objects.get().result == 6
    assert broker.queue_size() == 0


@EITHER_BROKER
@override_settings(USE_TZ=False)
def test_times_without_a_zone_do_not_loop(broker):
    connection.close()  # its time zone is set when it is made
    make_schedule(
        schedule_type=Schedule.MINUTES, minutes=5, next_run=datetime.now() - timedelta(minutes=12)
    )

    scheduler(broker)
    scheduler(broker)

    assert len(taken(broker)) == 1
    assert aware_utc(Schedule.objects.get().next_run) > datetime.now(UTC)
    connection.close()
