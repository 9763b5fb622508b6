"""A site at work, to be looked at: queues, clusters, tasks that run, failures and schedules."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from hashlib import md5
from typing import Any
from uuid import UUID, uuid4

from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.humanhash import humanize
from django_q.models import DeployMark, Schedule, Task
from django_q.orders.steering import queue
from django_q.tasks import async_task
from tests.heartbeats import make_stat
from tests.integration.rollups.rows import add_row

#: Clusters: host, queue, and how far each task is that they run: done, total, note.
CLUSTERS = {
    UUID("8d44ebe1-8493-42e6-a7cc-c56054d638f6"): ("web-1.example.org", "test"),
    UUID("3f1c0e52-77aa-4c07-9d5e-0b8f4c1d2a34"): ("web-2.example.org", "mail"),
}
RUNS: list[dict[str, Any]] = [
    {"func": "shop.reports.monthly_figures", "done": 640, "total": 1000, "seconds": 754.0,
     "note": "invoices of March"},
    {"func": "shop.images.resize", "done": 12, "total": 40, "seconds": 8.4},
    {"func": "shop.search.rebuild_index", "seconds": 3.1, "cancelled": "cancelled by anna"},
]  # fmt: skip
FAILURES = (
    ("shop.mails.send_receipt", "smtplib.SMTPServerDisconnected", 14),
    ("shop.payments.capture", "requests.exceptions.ConnectTimeout", 5),
    ("shop.images.resize", "PIL.UnidentifiedImageError", 1),
)


def fill() -> None:
    """Fill queues and tables."""
    for name, number in (("test", 24), ("mail", 7), ("imports", 3)):
        for _each in range(number):
            async_task("shop.mails.send_receipt", cluster=name, q_options={"track": True})
    async_task("shop.images.resize", cluster="test", q_options={"run_after": 600})
    queue("mail").pause()
    queue("test").limit(8)
    add_rows(datetime.now(timezone.utc))


def beat() -> None:
    """Send the heartbeats, which expire after 15 seconds."""
    now, broker = datetime.now(timezone.utc), get_broker()
    for number, (cluster_id, (host, queue_name)) in enumerate(CLUSTERS.items()):
        runs = [run(each, 4711 + number) for number, each in enumerate(RUNS)] if not number else []
        make_stat(
            pid=4700 + number, cluster_id=cluster_id, host=host, queue=queue_name, pool_size=4,
            status=Conf.IDLE if number else Conf.WORKING, running=runs, sentinel=4701, pusher=4702,
            monitor=4703, scheduler=4704, workers=[4711, 4712, 4713, 4714][: 4 - number],
            reincarnations=number, tob=now - timedelta(hours=50 * number + 3, minutes=12),
        ).save(broker)  # fmt: skip


def run(values: dict[str, Any], pid: int) -> dict[str, Any]:
    """Describe a task that runs."""
    task_id = md5(values["func"].encode()).hexdigest()  # the same in each picture
    known = {"pid": pid, "id": task_id, "name": humanize(task_id), "group": "", "attempt": 1,
             "since": 0.0}  # fmt: skip
    return {**known, **values}


def add_rows(now: datetime) -> None:
    """Save tasks that have ended, and schedules."""
    started = now - timedelta(minutes=9)
    for number, (func, exception, count) in enumerate(FAILURES):
        for index in range(count):
            Task.objects.create(
                id=uuid4().hex, name="kilo-uncle-west-queen", func=func, started=started,
                stopped=now - timedelta(minutes=3 * index + number), success=False,
                exception=exception, fingerprint=f"{number}" * 32, cluster="test",
            )  # fmt: skip
    for index in range(40):
        Task.objects.create(
            id=uuid4().hex, name="nine-lima-oven-fox", func="shop.reports.daily", started=started,
            stopped=now - timedelta(seconds=index), success=True, cluster="test", group="nightly",
        )  # fmt: skip
    add_schedules(now)
    add_counts(int(now.timestamp()))


def add_counts(now: int) -> None:
    """Add what is counted for the charts, and the mark of a deploy."""
    for number, (func, _exception, count) in enumerate(FAILURES):
        for minutes in range(number, 60, 1 + number):
            add_row(now - 60 * minutes, runs=count + minutes % 7, key=("test", func))
    DeployMark.objects.create(at=now - 1500, text="v12")


def add_schedules(now: datetime) -> None:
    """Save schedules: one that is overdue, one that is paused, one with an error."""
    rows: list[dict[str, Any]] = [
        {"name": "nightly", "schedule_type": Schedule.DAILY, "time_zone": "Europe/Amsterdam",
         "next_run": datetime(2027, 3, 25, 1, 30, tzinfo=timezone.utc)},
        {"name": "mails", "schedule_type": Schedule.MINUTES, "minutes": 15,
         "next_run": now + timedelta(minutes=7)},
        {"name": "exchange rates", "schedule_type": Schedule.HOURLY,
         "next_run": now - timedelta(minutes=25)},
        {"name": "clean-up", "schedule_type": Schedule.WEEKLY, "paused": True,
         "next_run": now + timedelta(days=3)},
        {"name": "broken", "schedule_type": Schedule.DAILY, "paused": True,
         "error": "No module named 'shop.gone'", "next_run": now + timedelta(days=1)},
    ]  # fmt: skip
    for row in rows:
        Schedule.objects.create(func="shop.reports.daily", **row)
