"""Queues that nobody serves, or that are held back."""

from __future__ import annotations

import pytest
from django.test import override_settings

from django_q.conf import Conf
from django_q.doctor.subjects import queues
from django_q.doctor.subjects.queues import examine
from django_q.orders.steering import QueueHandle
from django_q.tasks import async_task
from tests.heartbeats import make_stat
from tests.integration.doctor.found import found

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_misspelt_queue_is_found_with_the_name_that_was_meant(broker):
    make_stat(queue="reports").save(broker)
    async_task("tests.tasks.multiply", 2, 3, cluster="reprots")

    finding = found(examine)["queue-unserved"]

    assert finding.level == "error"
    assert "The queue 'reprots' has 1 waiting task" in finding.found
    assert "--name reprots" in finding.cure
    assert "'reports'" in finding.cure


def test_a_queue_of_another_project_is_a_fact(broker):
    make_stat().save(broker)
    with override_settings(SECRET_KEY="that of another project"):
        async_task("tests.tasks.multiply", 2, 3, cluster="theirs")

    assert {key: each.level for key, each in found(examine).items()} == {"queue-foreign": "info"}


def test_a_pause_is_a_fact_and_a_warning_where_tasks_wait(broker):
    make_stat().save(broker)
    QueueHandle(None).pause(None)
    assert found(examine)["queue-held"].level == "info"

    async_task("tests.tasks.multiply", 2, 3)
    finding = found(examine)["queue-held"]
    QueueHandle(None).resume(None)

    assert finding.level == "warning"
    assert f"qresume {Conf.CLUSTER_NAME}" in finding.cure


def test_a_queue_whose_tasks_wait_for_long_is_found(broker, monkeypatch):
    make_stat().save(broker)
    async_task("tests.tasks.multiply", 2, 3)
    assert found(examine) == {}

    monkeypatch.setattr(queues, "MAX_WAIT_SECONDS", 0)
    assert found(examine).keys() == {"queue-behind"}


def test_the_queues_of_the_settings_are_examined_without_tasks_as_well(broker, conf):
    conf(alt_clusters={"mail": {}})
    QueueHandle("mail").pause(None)

    assert "'mail'" in found(examine)["queue-held"].found
    QueueHandle("mail").resume(None)
