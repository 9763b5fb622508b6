"""A site at work, to be looked at: queues, clusters, tasks that run, failures and schedules."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from hashlib import md5
from typing import Any
from uuid import UUID, uuid4

from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.humanhash import humanize
from django_q.models import DeployMark, Rollup, Schedule, Task
from django_q.orders.steering import queue
from django_q.rollups.row_format import to_text
from django_q.rollups.run_counts import RunCounts
from django_q.task_logs.entry import LogEntry
from django_q.task_logs.rows import save_logs
from django_q.task_state.shown import STACK, RunAnswer, answer_key, sign_shown
from django_q.tasks import async_task
from tests.heartbeats import make_stat

#: Clusters: host, queue, and how far each task is that they run: done, total, note.
CLUSTERS = {
    UUID("8d44ebe1-8493-42e6-a7cc-c56054d638f6"): ("web-1.example.org", "test"),
    UUID("3f1c0e52-77aa-4c07-9d5e-0b8f4c1d2a34"): ("web-2.example.org", "mail"),
}
#: A task that runs and one that has failed, whose pages are looked at.
RUNNING_ID, FAILED_ID = "5c0ffee1" * 4, "7e1ec0de" * 4
RUNS: list[dict[str, Any]] = [
    {"id": RUNNING_ID, "name": "river-gold-mike-ten", "func": "shop.reports.monthly_figures",
     "done": 640, "total": 1000, "seconds": 754.0,
     "note": "invoices of March"},
    {"func": "shop.images.resize", "done": 12, "total": 40, "seconds": 8.4},
    {"func": "shop.search.rebuild_index", "seconds": 3.1, "cancelled": "cancelled by anna"},
]  # fmt: skip
FAILURES = (
    ("shop.mails.send_receipt", "smtplib.SMTPServerDisconnected", 14),
    ("shop.payments.capture", "requests.exceptions.ConnectTimeout", 5),
    ("shop.images.resize", "PIL.UnidentifiedImageError", 1),
)
#: Of the task that runs, and of the one that has failed.
STACK_TEXT = """File "/srv/shop/reports.py", line 41, in monthly_figures
    add_up(invoices.iterator(chunk_size=500))
File "/srv/shop/reports.py", line 17, in add_up
    total += invoice.lines.aggregate(Sum("amount"))["amount__sum"]"""
ERROR_TEXT = """ConnectTimeout('payments.example.org: no answer in 10 s') : \
Traceback (most recent call last):
  File "/srv/shop/payments.py", line 58, in capture
    answer = session.post(address, json=order, timeout=10)
  File "/usr/lib/python3.13/site-packages/requests/sessions.py", line 637, in post
    return self.request("POST", url, data=data, json=json, **kwargs)
requests.exceptions.ConnectTimeout: payments.example.org: no answer in 10 s
"""
LOG_TEXT = """INFO shop.payments: capture of order 1042 begins
WARNING shop.payments: the server is slow, 8 s until now
ERROR shop.payments: no answer in 10 s
"""


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
    stack = RunAnswer(STACK_TEXT, now.timestamp(), "web-1.example.org:4711")
    broker.set_stat(answer_key(STACK, RUNNING_ID), sign_shown(STACK, RUNNING_ID, stack), 60)


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
    add_failed_task(now)
    add_schedules(now)
    add_counts(int(now.timestamp()))


def add_failed_task(now: datetime) -> None:
    """Save a task that has failed twice, with its traceback and its logs."""
    started, begun = now - timedelta(minutes=4), now - timedelta(seconds=70)
    worker = "web-1.example.org:4712"
    first = {"attempt": 1, "worker": worker, "time": (now - timedelta(minutes=3)).isoformat(),
             "exception": FAILURES[1][1], "text": "payments.example.org: no answer"}  # fmt: skip
    Task.objects.create(
        id=FAILED_ID, name="order-1042-capture", func=FAILURES[1][0], args=(1042,),
        kwargs={"currency": "EUR", "token": "4711"}, result=ERROR_TEXT, started=started,
        begun=begun, stopped=now - timedelta(minutes=1), success=False, exception=FAILURES[1][1],
        fingerprint="1" * 32, cluster="test", worker=worker, attempt_count=2,
        options={"retries": 1, "retry_delay": 120}, attempts=[first],
    )  # fmt: skip
    for attempt, moment in ((1, started), (2, begun)):
        save_logs([LogEntry(FAILED_ID, attempt, moment.timestamp(), LOG_TEXT, len(LOG_TEXT),
                            worker=worker)])  # fmt: skip


def add_counts(now: int) -> None:
    """Add what is counted for the charts, and the mark of a deploy that made tasks slower."""
    for number, (func, _exception, count) in enumerate(FAILURES):
        for minutes in range(number, 60, 1 + number):
            is_deployed = minutes < 25
            counts = RunCounts(count + minutes % 7, failed=is_deployed and minutes % 4 // 2)
            for index in range(counts.runs):
                counts.wait.add(0.05 + 0.02 * (minutes % 5) + 0.01 * index)
                counts.run.add((0.4 + 0.9 * is_deployed + 0.1 * (minutes % 3)) * (1 + index / 9))
            Rollup.objects.create(at=now - 60 * minutes, span=60,
                                  counts=to_text({("test", func): counts}))  # fmt: skip
    DeployMark.objects.create(at=now - 1500, text="v12")


def add_schedules(now: datetime) -> None:
    """Save schedules: one that is overdue, one that is paused, one with an error."""
    rows: list[dict[str, Any]] = [
        {"name": "nightly", "schedule_type": Schedule.DAILY, "time_zone": "Europe/Amsterdam",
         "args": "'eu-west'", "kwargs": "q_options={'retries': 3},\ndetailed=True",
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
