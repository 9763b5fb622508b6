"""Tasks of Django's framework where several clusters run or stop, or use another database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.framework_tasks import meet, sleep_until_there, write
from tests.workspace import WORKSPACE

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

BROKERS = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


def status_of(result: Any) -> str:
    """Return the state of a task now."""
    result.refresh()
    return str(result.status)


@BROKERS
def test_two_clusters_share_a_queue_and_run_each_task_once(
    broker, running_cluster, wait_until, tmp_path
):
    running_cluster(workers=1)
    running_cluster(workers=1)
    one, two, lines = tmp_path / "one", tmp_path / "two", tmp_path / "lines"

    met = [meet.enqueue(str(one), str(two)), meet.enqueue(str(two), str(one))]
    wait_until(lambda: [status_of(result) for result in met] == ["SUCCESSFUL"] * 2)
    written = [write.enqueue(str(lines), str(number)) for number in range(50)]
    wait_until(lambda: all(status_of(result) == "SUCCESSFUL" for result in written))

    assert len({result.return_value for result in met}) == 2
    assert sorted(map(int, lines.read_text().split())) == list(range(50))
    assert {result.attempts for result in (*met, *written)} == {1}


@pytest.mark.parametrize(
    ("broker", "number"), [("redis", signal.SIGINT), ("orm", signal.SIGTERM)], indirect=["broker"]
)
def test_a_cluster_that_is_stopped_ends_the_task_that_runs(
    broker, running_cluster, wait_until, tmp_path, number
):
    cluster = running_cluster(workers=1)
    end = tmp_path / "end"
    running = sleep_until_there.enqueue(str(end))
    wait_until(lambda: status_of(running) == "RUNNING")
    waiting = write.enqueue(str(tmp_path / "lines"), "later")

    cluster.terminate(number)
    cluster.wait_for("stopping after")
    wait_until(lambda: broker.lock_size() == 1)  # the other task has been released
    during = status_of(running)
    end.touch()

    assert cluster.process.wait(60) == 0
    assert (during, status_of(running), running.attempts) == ("RUNNING", "SUCCESSFUL", 1)
    assert (status_of(waiting), waiting.attempts) == ("READY", 0)


def test_a_cluster_that_is_told_twice_to_stop_leaves_no_task_running(
    broker, running_cluster, wait_until, tmp_path
):
    cluster = running_cluster(workers=1)
    end = tmp_path / "end"
    result = sleep_until_there.enqueue(str(end))
    wait_until(lambda: status_of(result) == "RUNNING")

    cluster.terminate(signal.SIGINT)
    cluster.wait_for("stopping after SIGINT")
    has_ended = cluster.process.poll
    wait_until(lambda: has_ended() is not None or cluster.terminate(signal.SIGINT), interval=0.3)

    wait_until(lambda: status_of(result) == "READY")
    end.touch()
    running_cluster(workers=1)
    wait_until(lambda: status_of(result) == "SUCCESSFUL")
    assert (result.errors, result.attempts) == ([], 1)


TWO_DATABASES = """
from tests.settings import *

FOLDER = Path(__file__).parent
ENGINE = "django.db.backends.sqlite3"
DATABASES = {
    name: {"ENGINE": ENGINE, "NAME": str(FOLDER / name), "OPTIONS": {"timeout": 20}}
    for name in ("default", "tasks")
}
Q_CLUSTER["orm"] = "tasks"


class Router:
    def db_for_read(self, model, **hints):
        return "tasks" if model._meta.app_label == "django_q" else None

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return (app_label == "django_q") == (db == "tasks")


DATABASE_ROUTERS = [Router()]
"""
IN_TWO_DATABASES = """
import django
django.setup()
from django.core.management import call_command
for name in ("default", "tasks"):
    call_command("migrate", database=name, verbosity=0)
from django.db import connections, transaction
from tests.clusters import RunningCluster
from tests.framework_tasks import add, fail
from tests.waiting import wait_until

class Cluster(RunningCluster):
    def launch(self, arguments, **environment):
        super().launch(arguments, **{**environment, "DJANGO_SETTINGS_MODULE": "two_databases"})

with transaction.atomic():
    results = [add.enqueue(1, y=2), fail.enqueue()]
cluster = Cluster(workers=1)

def have_ended():
    for result in results:
        result.refresh()
    return all(result.is_finished for result in results)

try:
    wait_until(have_ended)
finally:
    cluster.end()
assert results[0].return_value == 3
assert results[1].errors[0].exception_class is ValueError
tables = {name: connections[name].introspection.table_names() for name in connections}
assert not [table for table in tables["default"] if table.startswith("django_q")]
assert "django_q_task" in tables["tasks"]
"""


def test_results_may_be_in_another_database(tmp_path):
    (tmp_path / "two_databases.py").write_text(TWO_DATABASES)
    path = os.pathsep.join((str(tmp_path), str(Path(__file__).parents[3])))
    environment = {**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "two_databases"}
    del environment[WORKSPACE]  # its databases are files of its own

    done = subprocess.run(
        [sys.executable, "-c", IN_TWO_DATABASES], env=environment, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr[-3000:]) == (0, "")
