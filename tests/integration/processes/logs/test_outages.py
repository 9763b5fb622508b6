"""What is an outage is what a store says when it is asked, whatever the class of the error."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import InternalError, OperationalError, ProgrammingError, connection

from django_q import async_iter, async_task, result
from django_q.brokers import get_broker
from django_q.brokers.redis_broker import Redis
from django_q.exceptions import StoreUnavailable
from django_q.models import Part, Schedule, Task
from django_q.processes import monitor as monitor_module
from django_q.processes.monitor import MonitorLoop
from django_q.results import cache as cached_results
from django_q.results import parts, saving
from django_q.scheduling.due_schedules import DueSchedules
from tests.integration.brokers.orm.databases import SQLITE
from tests.integration.completion.test_completion import package, send

pytestmark = pytest.mark.django_db(transaction=True)


#: What databases raise that have no column of a name.
NO_COLUMN = (OperationalError, ProgrammingError)


HOOK = "tests.integration.completion.test_completion.hook"


def run_sql(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@contextlib.contextmanager
def without_column(table: str, column: str) -> Iterator[None]:
    """Have a table without a column, as before ``migrate``."""
    run_sql(f"ALTER TABLE {table} RENAME COLUMN {column} TO later")
    try:
        yield
    finally:
        run_sql(f"ALTER TABLE {table} RENAME COLUMN later TO {column}")


@contextlib.contextmanager
def without_table(table: str) -> Iterator[None]:
    """Have no table of a name."""
    run_sql(f"ALTER TABLE {table} RENAME TO later")
    try:
        yield
    finally:
        run_sql(f"ALTER TABLE later RENAME TO {table}")


@pytest.fixture
def ending_after(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Have an outage begin now, and end when results have waited some times."""
    monkeypatch.setattr(monitor_module, "COMPLETION_BACKOFF_SECONDS", (0.01, 0.02))

    def begin(outage: Any, times: int = 5) -> list[int]:
        waits: list[int] = []
        hold = MonitorLoop.wait_extending_leases

        def held(self: MonitorLoop, seconds: float) -> None:
            hold(self, seconds)
            waits.append(1)
            if len(waits) == times:
                stack.close()

        stack = contextlib.ExitStack()
        stack.enter_context(outage)
        monkeypatch.setattr(MonitorLoop, "wait_extending_leases", held)
        return waits

    return begin


on_each = pytest.mark.parametrize("broker", ["redis", SQLITE], indirect=True)


@on_each
@pytest.mark.parametrize(
    ("table", "column"), [("django_q_task", "attempt_count"), ("django_q_task", "id")]
)
def test_results_wait_for_a_table_that_is_not_migrated(
    broker, run_once, caplog, ending_after, table, column
):
    caplog.set_level(logging.INFO, "django-q")
    ids = [async_task("tests.tasks.multiply", 2, 3, hook=HOOK) for _ in range(1)]
    waits = ending_after(without_column(table, column))

    run_once(broker)

    assert [result(each) for each in ids] == [6]
    assert len(waits) == 5
    assert broker.lock_size() == 0
    assert caplog.text.count("results wait to be saved, as the table of results") == 1
    assert "results are saved again" in caplog.text


@on_each
def test_items_wait_for_the_table_of_their_parts(broker, run_all, caplog, ending_after, conf):
    conf(bulk=10)
    iterable = async_iter("math.floor", [1.5, 2.5], broker=broker)
    waits = ending_after(without_column("django_q_part", "claim"))

    run_all(broker)

    assert result(iterable) == [1, 2]
    assert (len(waits), Part.objects.count(), broker.lock_size()) == (5, 0, 0)
    assert "as the table of parts of iterables in 'default' takes nothing" in caplog.text


@on_each
def test_the_end_of_a_task_waits_for_the_table_of_schedules(broker, run_once, caplog, ending_after):
    schedule = Schedule.objects.create(func="math.floor")
    send(broker, package(schedule=schedule.pk, hook=HOOK))
    waits = ending_after(without_column("django_q_schedule", "ended"))

    run_once(broker)

    schedule.refresh_from_db()
    assert schedule.ended
    assert (len(waits), broker.lock_size()) == (5, 0)
    assert "as the table of schedules in 'default' takes nothing" in caplog.text


@pytest.mark.parametrize("broker", [SQLITE], indirect=True)
def test_results_wait_for_the_table_of_the_queue(broker, run_once, caplog, ending_after):
    task_id = async_task("tests.tasks.multiply", 2, 3)
    delivered = MonitorLoop.complete_batch

    def settle(self: MonitorLoop) -> None:
        ending_after(without_table("django_q_ormq"))
        delivered(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MonitorLoop, "complete_batch", settle)
        run_once(broker)

    assert result(task_id) == 6
    assert broker.lock_size() == 0
    assert f"as the queue {broker.list_key} takes nothing" in caplog.text


@contextlib.contextmanager
def query_only() -> Iterator[None]:
    run_sql("PRAGMA query_only = 1")
    try:
        yield
    finally:
        run_sql("PRAGMA query_only = 0")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it is a PRAGMA of SQLite")
def test_a_sqlite_database_that_is_read_only_takes_no_row():
    alias = "default"
    with query_only():
        assert saving.is_away(ProgrammingError("of any class"), alias)
        with pytest.raises(StoreUnavailable):
            parts.check_away(ProgrammingError("of any class"))
    assert not saving.is_away(ProgrammingError("of any class"), alias)
    parts.check_away(ProgrammingError("of any class"))
    assert Task.objects.count() == Part.objects.count() == 0


@pytest.fixture
def cache_in_database(settings: Any) -> Iterator[None]:
    """Keep results in a table that is made by ``createcachetable``, if at all."""
    backend = "django.core.cache.backends.db.DatabaseCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "results_cache"}}
    yield
    run_sql("DROP TABLE IF EXISTS results_cache")
    cached_results.CacheOutage.since = None


@contextlib.contextmanager
def no_cache_table() -> Iterator[None]:
    yield
    call_command("createcachetable")


def test_results_wait_for_the_cache(broker, run_once, caplog, ending_after, cache_in_database):
    task_id = async_task("tests.tasks.multiply", 2, 3, cached=True)
    waits = ending_after(no_cache_table())

    run_once(broker)

    assert result(task_id, cached=True) == 6
    assert (len(waits), broker.lock_size()) == (5, 0)
    assert "as the cache 'default' takes nothing" in caplog.text


def test_results_do_not_wait_for_a_cache_for_ever(
    broker, run_all, caplog, monkeypatch, cache_in_database
):
    monkeypatch.setattr(monitor_module, "COMPLETION_BACKOFF_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(cached_results, "CACHE_OUTAGE_SECONDS", 0.1)
    for _ in range(2):
        async_task("tests.tasks.multiply", 2, 3, cached=True)
    other = async_task("tests.tasks.multiply", 2, 3)

    run_all(broker)

    assert result(other) == 6
    assert broker.lock_size() == 0
    assert caplog.text.count("is not in the cache") == 2


def test_a_caller_is_told_of_an_outage_by_the_stores_own_error(broker):
    with without_column("django_q_task", "attempt_count"), pytest.raises(NO_COLUMN):
        async_task("math.floor", 1.5, sync=True)


@pytest.mark.parametrize(
    "error", [InternalError("read-only"), ProgrammingError("no column"), OperationalError("gone")]
)
def test_a_scheduler_asks_the_table_whether_it_takes_changes(broker, error):
    due_schedules = DueSchedules(broker)

    with without_column("django_q_schedule", "claimed"):
        assert due_schedules.is_away(error)

    assert due_schedules.is_away(error) is isinstance(error, OperationalError)
    assert not due_schedules.is_away(ValueError("of a schedule"))


def test_one_schedule_after_the_other_is_left_alone_while_the_table_takes_no_changes(
    broker, caplog
):
    from django_q.processes.scheduler import SchedulerLoop

    for _ in range(3):
        Schedule.objects.create(func="math.floor", args="1.5")
    watch = SchedulerLoop(DueSchedules(broker))
    with without_column("django_q_schedule", "claimed"), pytest.raises(NO_COLUMN):
        watch.enqueue_due()
    assert caplog.text == ""
    watch.skipped_until.clear()

    watch.enqueue_due()

    assert broker.queue_size() == 3


@pytest.mark.parametrize("broker", [SQLITE], indirect=True)
def test_the_orm_broker_asks_its_table_whether_it_takes_rows(broker):
    assert broker.is_writable()
    assert not broker.is_away(InternalError("of a statement"))

    with without_column("django_q_ormq", "delivery"):
        assert not broker.is_writable()
        assert broker.is_away(InternalError("read-only"))
        assert broker.is_away(ProgrammingError("no column"))

    assert broker.queue_size() == broker.lock_size() == 0


class Refusing(Redis):
    """A broker whose server refuses commands: each as often as ``times`` says."""

    times: dict[str, int] = {}
    calls: list[str] = []

    def refuse(self, name: str) -> None:
        self.calls.append(name)
        if self.times.get(name, 0) > 0:
            self.times[name] -= 1
            raise ValueError("NOPERM")

    def refusal(self, error: BaseException) -> str | None:
        return "allow it with +hset" if "NOPERM" in str(error) else None

    def acknowledge_many(self, receipts: Any) -> Any:
        self.refuse("acknowledge")
        return super().acknowledge_many(receipts)

    def move_to_dead_letters(self, ack_id: Any, payload: Any) -> None:
        self.refuse("move_to_dead_letters")
        super().move_to_dead_letters(ack_id, payload)


@pytest.fixture
def refusing(broker, conf, monkeypatch) -> Refusing:
    conf(broker_class=f"{__name__}.Refusing")
    monkeypatch.setattr(monitor_module, "COMPLETION_BACKOFF_SECONDS", (0.01, 0.02))
    Refusing.times, Refusing.calls = {}, []
    return get_broker()


def test_a_refusal_is_said_once_and_what_has_an_effect_is_not_repeated(refusing, run_once, caplog):
    from tests.integration.completion.test_completion import hooked

    hooked.clear()
    Refusing.times["acknowledge"] = 5
    task_id = async_task("tests.tasks.multiply", 2, 3, hook=HOOK)

    run_once(refusing)

    assert result(task_id) == 6
    assert len(hooked) == 1
    assert refusing.lock_size() == 0
    assert caplog.text.count("results wait: allow it with +hset") == 1


def test_a_move_to_the_dead_queue_that_is_refused_is_not_repeated(refusing, run_once, caplog, conf):
    conf(bulk=10)
    Refusing.times["move_to_dead_letters"] = 1
    refusing.enqueue("junk")
    task_id = async_task("tests.tasks.multiply", 2, 3)

    run_once(refusing)

    assert result(task_id) == 6
    assert Refusing.calls.count("move_to_dead_letters") == 1
    assert (refusing.dead_size(), refusing.lock_size()) == (0, 1)  # it comes again
    assert caplog.text.count("allow it with +hset") == 1
