"""Metrics of clusters."""

from __future__ import annotations

from uuid import uuid4

from django.utils.translation import override

from django_q.conf import Conf
from django_q.metrics.figures import clusters
from django_q.metrics.figures.clusters import cluster_families
from tests.heartbeats import make_stat


def test_a_cluster_tells_what_it_counts(values):
    stat = make_stat(
        name="four-words", queue="mail", finished=2**40, failed=3, reincarnations=2, pool_size=4
    )

    found = cluster_families([stat])

    key = "four-words,ant,mail"
    assert values(found, "tasks_finished") == {key: 2**40}
    assert values(found, "tasks_failed") == {key: 3}
    assert values(found, "process_restarts") == {key: 2}
    assert values(found, "cluster_workers") == {key: 1}
    assert values(found, "cluster_expected_workers") == {key: 4}
    assert values(found, "cluster_start_time_seconds") == {key: stat.tob.timestamp()}


def test_clusters_are_counted_by_state_in_every_language(values):
    stats = [make_stat(status=Conf.WORKING), make_stat(status="Idle")]

    with override("de"):
        found = cluster_families(stats)

    counts = {"starting": 0, "working": 1, "idle": 1, "stopping": 0}
    assert values(found, "clusters") == counts


def test_a_predecessor_s_heartbeat_leaves_out_what_it_does_not_know(values):
    found = cluster_families([make_stat(pool_size=0, tob=None)])

    assert values(found, "cluster_expected_workers") == {}
    assert values(found, "cluster_start_time_seconds") == {}


def test_no_more_clusters_are_told_of_than_a_reader_can_bear(values, monkeypatch):
    monkeypatch.setattr(clusters, "MAX_CLUSTERS", 2)

    found = cluster_families([make_stat(cluster_id=uuid4()) for _ in range(5)])

    assert len(values(found, "cluster_workers")) == 2
    assert values(found, "clusters_left_out") == {"": 3}
