"""The commands that show clusters, with a broker and a database, without a terminal."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_q import monitor
from django_q.brokers.memory import Memory
from django_q.conf import Conf
from django_q.exceptions import BrokerUnavailable
from django_q.models import Task
from django_q.signing import SignedPackage
from django_q.terminal import queue_figures
from django_q.wire.package import new_package
from tests.heartbeats import CLUSTER_ID, make_stat

pytestmark = pytest.mark.django_db

BOTH = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
WITHOUT = "No clusters appear to be running."


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def nobody(conf: Callable) -> None:
    """Have a broker that nobody listens for; asked once, so that it says so at once."""
    conf(redis={"host": "127.0.0.1", "port": 1, "retry": None})


def run(command: str, *args: str) -> str:
    """Run a command and give what it prints."""
    out = StringIO()
    call_command(command, *args, stdout=out)
    return out.getvalue()


def make_task(**values: Any) -> Task:
    now = timezone.now()
    defaults = {"id": uuid.uuid4().hex, "name": "a", "func": "f", "stopped": now}
    return Task.objects.create(**{**defaults, "started": now - timedelta(seconds=2), **values})


@BOTH
def test_qmonitor_shows_the_clusters_once(broker):
    make_stat(host="ant", status=Conf.WORKING).save(broker)
    make_stat(host="bee", cluster_id=uuid.uuid4()).save(broker)
    broker.enqueue("a payload")
    make_task()
    make_task(success=False)

    lines = run("qmonitor", "--run-once").splitlines()

    assert lines[0].split() == ["Host", "Id", "State", "Pool", "TQ", "RQ", "RC", "Up"]
    assert lines[1].split()[:4] == ["ant", str(CLUSTER_ID)[-8:], "Working", "1"]
    assert lines[2].split()[:1] == ["bee"]
    assert broker.info() in lines[4]
    assert lines[4].endswith("Queued 1           Success 1           Failures 1")


@BOTH
def test_qmonitor_without_clusters_says_so(broker):
    assert WITHOUT in run("qmonitor", "--run-once")


def test_qmonitor_returns_the_heartbeats_it_showed(broker):
    make_stat().save(broker)

    stats = monitor.monitor(run_once=True, broker=broker, out=StringIO())

    assert [stat.cluster_id for stat in stats] == [CLUSTER_ID]


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("qmonitor", ["--run-once"]),
        ("qmemory", ["--run-once"]),
        ("qinfo", []),
        ("qinfo", ["--ids"]),
        ("qinfo", ["--json"]),
        ("qinfo", ["--check"]),
    ],
)
def test_a_command_without_redis_fails_and_says_why(nobody, command, options):
    with pytest.raises(CommandError, match=r"Can not connect to Redis server.*refused") as failure:
        run(command, *options)

    assert failure.value.returncode == 1


def test_a_screen_without_redis_raises_when_it_is_shown_once(nobody):
    with pytest.raises(BrokerUnavailable):
        monitor.monitor(run_once=True, out=StringIO())


def test_qmonitor_without_a_database_still_shows_the_clusters(broker, monkeypatch):
    make_stat().save(broker)
    monkeypatch.setattr(queue_figures, "count_tasks", raise_database_error)

    text = run("qmonitor", "--run-once")

    assert "ant" in text
    assert "Success ?           Failures ?" in text


def raise_database_error(*args: Any) -> None:
    raise queue_figures.DatabaseError("gone")


def test_a_heavy_table_is_counted_to_a_limit_and_seldom(broker, monkeypatch):
    monkeypatch.setattr(queue_figures, "MAX_COUNTED_ROWS", 3)
    for _number in range(5):
        make_task()
    reader = queue_figures.FiguresReader(broker)

    first = reader.read()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        second = reader.read()

    assert queue_figures.figure_text(first.successes) == "3+"
    assert second == first
    assert len(queries) == 0


@pytest.mark.parametrize("success", [True, False])
def test_what_is_counted_is_counted_in_an_index_alone(success):
    if connection.vendor != "sqlite":
        pytest.skip("other databases choose their plan by the size of the table")
    with CaptureQueriesContext(connection) as queries:
        queue_figures.count_tasks(success)

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
        plan = str(cursor.fetchall())
    assert "COVERING INDEX django_q_task_stopped (success=?)" in plan


@BOTH
def test_qinfo_tells_a_summary(broker):
    make_stat(reincarnations=2).save(broker)
    make_task()
    make_task(success=False)

    words = run("qinfo").split()

    assert words[:3] == ["--", "Test", monitor.report.__version__]
    assert words[words.index("Clusters") :] == [
        *("Clusters", "1", "Workers", "1", "Restarts", "2"),
        *("Queued", "0", "Successes", "1", "Failures", "1"),
        *("Schedules", "0", "Tasks/day", "1.00", "Avg", "time", "2.0000"),
        *("Queue", "Waiting", "Delayed", "Leased", "Oldest"),
        *("test", "0", "0", "0", "-"),
    ]


@BOTH
def test_qinfo_tells_all_as_json(broker):
    make_stat(current=[(7, "a-name", "app.run", 1.5)]).save(broker)
    make_task()

    facts = json.loads(run("qinfo", "--json"))

    assert (facts["name"], facts["queue"], facts["broker"]) == ("test", "test", broker.info())
    assert (facts["queued"], facts["locked"], facts["successes"]) == (0, 0, 1)
    assert facts["last_24_hours"] == {"tasks": 1, "average_seconds": 2.0}
    [cluster] = facts["clusters"]
    assert cluster["cluster_id"] == str(CLUSTER_ID)
    assert cluster["status"] == "Idle"
    assert cluster["current"] == [{"pid": 7, "name": "a-name", "func": "app.run", "seconds": 1.5}]
    assert cluster["uptime"] >= 0


@pytest.mark.parametrize("broker", ["memory"], indirect=True)
def test_qinfo_tells_of_all_queues_and_which_nobody_serves(broker):
    make_stat().save(broker)
    package = new_package("shop.send", (), {}, {})
    Memory("mail").enqueue(SignedPackage.dumps(package), delay=60)

    *_summary, titles, mail, own, warning = run("qinfo").strip().splitlines()

    assert titles.split() == ["Queue", "Waiting", "Delayed", "Leased", "Oldest"]
    assert (mail.split(), own.split()) == (["mail", *"010-"], ["test", *"000-"])
    assert warning.strip() == "Nobody serves 'mail'."
    counts = {"waiting": 0, "delayed": 0, "leased": 0, "running": 0, "oldest_seconds": None}
    counts |= {"paused": False, "paused_clusters": [], "limit": None, "held": False}
    assert json.loads(run("qinfo", "--json", "--host", "nowhere"))["queues"] == [
        {**counts, "name": "mail", "delayed": 1, "served": False},
        {**counts, "name": "test", "served": True},
    ]


@pytest.mark.parametrize("broker", ["memory", "redis", "orm"], indirect=True)
def test_qmonitor_tells_of_delayed_tasks(broker):
    broker.enqueue("payload", delay=60)

    text = run("qmonitor", "--run-once")

    assert "Queued 0(1)" in text
    assert "1 task is delayed." in text


@pytest.mark.parametrize("broker", ["custom", "sqs"], indirect=True)
def test_qinfo_tells_what_other_brokers_know(broker):
    broker.enqueue("payload")

    (queue,) = json.loads(run("qinfo", "--json"))["queues"]

    assert (queue["name"], queue["waiting"], queue["served"]) == ("test", 1, False)
    assert run("qinfo").strip().endswith("Nobody serves 'test'.")


def test_qinfo_tells_ids_for_scripts(broker):
    make_stat(cluster_id=1, host="ant").save(broker)
    make_stat(cluster_id=2, host="bee").save(broker)

    assert run("qinfo", "--ids") == "1\n2\n"
    assert run("qinfo", "--ids", "--host", "bee") == "2\n"


def test_qinfo_without_clusters_says_so(broker):
    assert run("qinfo", "--ids") == f"{WITHOUT}\n"


def test_qinfo_prints_the_settings_without_a_broker(nobody):
    lines = run("qinfo", "--config").splitlines()

    assert "PREFIX: test" in lines
    assert not any("only for tests" in line for line in lines)


@BOTH
def test_a_probe_succeeds_where_a_cluster_beats(broker):
    make_stat().save(broker)

    assert "Idle" in run("qinfo", "--check")


@BOTH
def test_a_probe_fails_where_none_does(broker):
    make_stat(queue="another").save(broker)

    with pytest.raises(CommandError, match="No cluster of 'test' is running"):
        run("qinfo", "--check")


def test_a_probe_asks_about_its_own_host(broker):
    make_stat(host="ant").save(broker)

    with pytest.raises(CommandError, match="No cluster of 'test' is running on bee"):
        run("qinfo", "--check", "--host", "bee")


def test_qmemory_tells_the_memory_of_this_host(broker):
    make_stat(host=socket.gethostname(), sentinel=os.getpid()).save(broker)

    lines = run("qmemory", "--run-once", "--workers").splitlines()

    assert lines[0].split()[:3] == ["Host", "Id", "Available"]
    row = lines[2].split()
    assert row[1] == str(CLUSTER_ID)[-8:]
    assert float(row[5]) == pytest.approx(monitor.get_process_mb(os.getpid()), abs=5)
    assert "Worker 1" in "\n".join(lines)
    assert "Available lowest (%)" in lines[-1]


def test_qmemory_without_psutil_says_what_to_install(monkeypatch):
    monkeypatch.setattr(monitor, "psutil", None)

    assert run("qmemory", "--run-once") == "qmemory needs psutil: pip install psutil\n"


def test_a_cluster_says_where_it_can_not_run(monkeypatch):
    monkeypatch.delattr(socket, "AF_UNIX")  # as on Windows

    with pytest.raises(CommandError, match="Unix sockets"):
        call_command("qcluster")
