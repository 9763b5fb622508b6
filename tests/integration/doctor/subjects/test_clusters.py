"""What is wrong with clusters, by their heartbeats in a real broker."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from django.test import override_settings

from django_q.conf import Conf
from django_q.doctor.subjects.clusters import examine
from django_q.models import Heartbeat
from django_q.tasks import async_task
from tests.heartbeats import CLUSTER_ID, make_stat
from tests.integration.doctor.found import found

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]

both_brokers = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


def ago(seconds: float) -> datetime:
    return datetime.now(timezone.utc) - timedelta(seconds=seconds)


@both_brokers
def test_a_cluster_that_lives_has_no_finding(broker):
    make_stat().save(broker)

    assert found(examine) == {}


@both_brokers
def test_heartbeats_of_another_key_under_one_name_are_a_clash(broker):
    make_stat().save(broker)
    with override_settings(SECRET_KEY="that of another project"):
        make_stat(cluster_id=7).save(broker)

    finding = found(examine)["name-clash"]

    assert (finding.level, f"'{Conf.PREFIX}'" in finding.found) == ("error", True)
    assert "SECRET_KEY" in finding.cure


@both_brokers
def test_tasks_of_another_key_in_the_queue_are_found(broker):
    make_stat().save(broker)
    with override_settings(SECRET_KEY="that of another project"):
        async_task("tests.tasks.multiply", 2, 3, broker=broker)

    assert found(examine).keys() == {"foreign-tasks"}


@both_brokers
def test_no_cluster_is_an_error_if_tasks_wait_and_a_dead_one_is_told_by_its_leases(broker):
    assert found(examine)["no-cluster"].level == "warning"

    async_task("tests.tasks.multiply", 2, 3, broker=broker)
    assert found(examine)["no-cluster"].level == "error"

    broker.dequeue(1, wait=1)
    assert "holds 1 task." in found(examine)["cluster-dead"].found


@pytest.mark.parametrize(
    ("values", "finding_id"),
    [
        ({"timestamp": 12}, "cluster-late"),
        ({"workers": []}, "cluster-without-workers"),
        ({"reincarnations": 40, "tob": 7200}, "cluster-restarts"),
        ({"status": Conf.STARTING, "tob": 300}, "cluster-starting"),
    ],
)
def test_what_a_heartbeat_says_of_a_cluster_that_is_not_well_is_found(values, finding_id, broker):
    times = {key: ago(values[key]) for key in ("timestamp", "tob") if key in values}
    make_stat(**{**values, **times}).save(broker)

    assert found(examine).keys() == {finding_id}


@pytest.mark.parametrize("broker", ["orm"], indirect=True)
def test_a_cluster_that_died_is_told_by_its_last_heartbeat_in_a_database(broker):
    make_stat().save(broker)
    make_stat(cluster_id=7, name="violet-xray-one-hotel", timestamp=ago(600)).save(broker)
    make_stat(cluster_id=8, status=Conf.STOPPED, timestamp=ago(600)).save(broker)
    gone = Heartbeat.objects.exclude(key__endswith=str(CLUSTER_ID))
    gone.update(expires=ago(500))

    findings = found(examine)

    assert findings.keys() == {"cluster-died"}
    assert "violet-xray-one-hotel on ant ended without a stop" in findings["cluster-died"].found


def test_a_cluster_that_has_been_stopped_has_no_finding(broker):
    make_stat().save(broker)
    make_stat(cluster_id=7, status=Conf.STOPPED, workers=[]).save(broker)

    assert found(examine) == {}
