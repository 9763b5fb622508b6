"""Whether a cluster can work: what the probe says of the broker, the database and the pusher."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.metrics.serving.readiness import Readiness
from tests.heartbeats import CLUSTER_ID, make_stat
from tests.ports import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def now():
    """Give the time of a clock that a test sets."""
    return [0.0]


@pytest.fixture
def readiness(queue, now):
    """Examine a cluster that is idle and takes from an empty queue."""
    beat(queue)
    return Readiness(queue, CLUSTER_ID, lambda: now[0])


def beat(broker, **values):
    make_stat(**{"pusher": 6, **values}).save(broker)


def test_an_idle_cluster_is_ready(readiness):
    assert readiness.problems() == []


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"status": Conf.STARTING}, "The cluster does not run"),
        ({"status": Conf.STOPPING}, "The cluster does not run"),
        ({"pusher": 0}, "The pusher does not run."),
    ],
)
def test_a_cluster_that_takes_no_tasks_is_not_ready(readiness, queue, values, problem):
    beat(queue, **values)

    (text,) = readiness.problems()

    assert text.startswith(problem)


def test_a_cluster_without_a_heartbeat_is_not_ready(queue):
    (text,) = Readiness(queue, CLUSTER_ID).problems()

    assert "has no heartbeat" in text


def test_a_queue_from_which_nobody_takes_is_found_by_a_later_probe(readiness, queue, now):
    queue.enqueue("a task")
    assert readiness.problems() == []

    now[0] = 4
    assert readiness.problems() == []
    now[0] = 6
    assert readiness.problems() == ["Tasks wait, and none was taken for 5 seconds."]

    queue.pause()
    assert readiness.problems() == []
    queue.resume()
    beat(queue, task_q_size=1)
    assert readiness.problems() == []


def test_a_missing_migration_is_told_of(readiness):
    recorder = MigrationRecorder(connection)
    last = recorder.migration_qs.filter(app="django_q").order_by("name").last()
    last.delete()

    assert readiness.problems() == ["Migrations of django_q are missing: run manage.py migrate."]

    recorder.record_applied("django_q", last.name)
    assert readiness.problems() == []


def test_a_broker_that_is_away_is_told_of_without_its_address(conf):
    port = free_port()
    conf(redis=f"redis://user:s3cret@127.0.0.1:{port}")

    (text,) = Readiness(get_broker(), CLUSTER_ID).problems()

    assert text.startswith("The broker does not answer")
    assert str(port) not in text


def test_a_database_that_is_away_is_told_of(broker):
    beat(broker)

    def refuse(*args):
        raise OperationalError("secret.example.org is away")

    with connection.execute_wrapper(refuse):
        (text,) = Readiness(broker, CLUSTER_ID).problems()

    assert text == "The database does not answer: OperationalError."
