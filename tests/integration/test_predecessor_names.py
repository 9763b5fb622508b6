"""Names that projects of the predecessors use, beyond those of their documentation."""

from __future__ import annotations

import multiprocessing
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from django_q import conf
from django_q.admin import FailAdmin, resubmit_task, retry_failed
from django_q.brokers.orm import ORM
from django_q.cluster import Cluster, Sentinel
from django_q.models import Failure, OrmQ, Schedule, Task
from django_q.processes.supervision import process_start
from django_q.queues import SharedCounter
from django_q.tasks import async_task, fetch

pytestmark = pytest.mark.django_db


def test_error_reporters_can_be_made():
    heard = []
    target = SimpleNamespace(report=lambda: heard.append(1))

    conf.ErrorReporter([target]).report()

    assert heard == [1]


def add(counter: SharedCounter) -> None:
    counter.increment(2)


def test_a_shared_counter_counts_in_several_processes():
    counter = SharedCounter(3)
    process = multiprocessing.get_context("fork").Process(target=add, args=(counter,))
    process.start()
    process.join()
    counter.increment()
    counter.increment(-2)

    assert counter.value == 4


def test_a_handler_of_signals_stops_a_cluster(monkeypatch):
    stopped = []
    made = Cluster(ORM("test"))
    monkeypatch.setattr(made, "stop", lambda: stopped.append(1))

    made.sig_handler(15, None)

    assert stopped == [1]


def test_the_queue_of_amazon_is_a_resource(make_broker):
    broker = make_broker("sqs")
    broker.enqueue("payload")

    (message,) = broker.get_queue().receive_messages()

    assert message.body == "payload"


@pytest.mark.parametrize("action", [resubmit_task, retry_failed])
def test_actions_of_the_admin_serve_the_admins_of_projects(rf, conf, transactional_db, action):
    conf(orm="default")
    now = datetime.now(timezone.utc)
    values = {"started": now, "stopped": now, "success": False, "func": "tests.tasks.echo"}
    Task.objects.create(id="1" * 32, name="a", args=(1,), kwargs={}, **values)

    class Mine(FailAdmin):
        actions = (action,)
        resubmit_task = action

        def message_user(self, *args: Any) -> None:
            pass

    request = rf.post("/")
    request.user = SimpleNamespace(pk=None, is_active=True)
    request._messages = SimpleNamespace(add=lambda *args: None)
    model_admin = Mine(Failure, admin.site)
    model_admin.log_change = lambda *args: None
    model_admin.resubmit_task(request, Failure.objects.all())

    assert action.short_description == "Resubmit selected tasks to queue"
    assert Failure.objects.get().rerun_at is not None  # its new end will take the place of the old
    assert OrmQ.objects.get().func() == "tests.tasks.echo"


@pytest.mark.django_db(transaction=True)
def test_a_queued_task_is_a_method_as_well(conf):
    conf(orm="default")
    async_task("tests.tasks.echo", 1)

    queued = OrmQ.objects.get()

    assert queued.task()["id"] == queued.task["id"] == queued.task_id()
    assert isinstance(queued.task(), dict)


@pytest.mark.parametrize(
    ("func", "args", "expected"),
    [
        ("multiply", (2, 3), 6),
        ("count_letters", (["ab", "c"],), 3),
        ("countdown", (5,), None),
        ("return_falsy_value", (), []),
    ],
)
def test_the_tasks_of_the_predecessors_tests_run(func, args, expected):
    task = fetch(async_task(f"django_q.tests.tasks.{func}", *args, sync=True))

    assert (task.success, task.result) == (True, expected)


def test_the_pool_of_a_sentinel_can_be_set():
    made = Sentinel.__new__(Sentinel)
    worker, other = (
        SimpleNamespace(role=process_start.WORKER),
        SimpleNamespace(role=process_start.PUSHER),
    )
    worker.process, other.process = object(), object()
    made.children = [other, worker]

    made.pool = [worker.process]
    assert made.pool == [worker.process]
    made.pool = []
    assert (made.pool, made.children) == ([], [other])


FIELDS = {
    **{"name": "q2", "func": "tests.tasks.echo", "hook": "", "args": "1,\r\n2", "kwargs": ""},
    **{"schedule_type": "D", "minutes": "", "repeats": "-1", "cron": "", "cluster": ""},
    **{"next_run_0": "2030-01-01", "next_run_1": "10:00:00", "intended_date_kwarg": ""},
}


def test_the_form_of_a_schedule_takes_the_fields_of_django_q2_alone(admin_client):
    admin_client.post(reverse("admin:django_q_schedule_add"), FIELDS)

    made = Schedule.objects.get()
    assert (made.overlap, made.paused, made.time_zone) == ("allow", False, None)


def test_what_django_q2_has_no_field_for_stays_where_its_fields_come_alone(admin_client):
    kept = {"overlap": "skip", "paused": True, "time_zone": "Asia/Tokyo", "catch_up": "all"}
    due = datetime.now(timezone.utc) + timedelta(days=1)
    made = Schedule.objects.create(func="f", schedule_type="D", next_run=due, **kept)

    admin_client.post(reverse("admin:django_q_schedule_change", args=(made.pk,)), FIELDS)

    made.refresh_from_db()
    assert made.name == "q2"
    assert {name: getattr(made, name) for name in kept} == kept
