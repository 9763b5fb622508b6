"""The collector for prometheus-client, in a registry beside a project's own metrics."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from django_q.metrics.collection import collect
from django_q.metrics.exposition.families import SAMPLE_SUFFIXES
from django_q.metrics.prometheus import Collector
from tests.heartbeats import make_stat

pytestmark = pytest.mark.django_db


def test_a_registry_has_what_the_view_has(broker):
    make_stat(name="four-words", queue="test", finished=7).save(broker)
    registry = CollectorRegistry()
    Counter("shop_orders", "Orders.", registry=registry).inc()

    registry.register(Collector())

    assert registry.get_sample_value("shop_orders_total") == 1
    labels = {"cluster": "four-words", "host": "ant", "queue": "test"}
    assert registry.get_sample_value("django_q_tasks_finished_total", labels) == 7
    text = openmetrics.generate_latest(registry).decode()
    names = {family.name for family in text_string_to_metric_families(text)}
    assert names >= {family.name for family in collect()}
    assert b"django_q_build_info" in generate_latest(registry)


def test_the_kinds_of_samples_are_those_of_the_package():
    assert SAMPLE_SUFFIXES == {"counter": "_total", "gauge": "", "info": "_info"}
