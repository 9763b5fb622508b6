"""Warnings of sentinels of projects whose methods nobody calls."""

from __future__ import annotations

import logging

import pytest

from django_q import cluster
from django_q.brokers.orm import ORM
from django_q.cluster import Cluster, Sentinel

pytestmark = pytest.mark.django_db


def test_a_sentinel_that_overrides_what_nobody_calls_is_warned_of_by_name(caplog):
    class Mine(Sentinel):
        def spawn_worker(self) -> None: ...
        def guard(self) -> None: ...

    class Fine(Sentinel):
        def start(self) -> None: ...

    (message,) = [record.message for record in caplog.records]
    assert "Mine overrides methods that the sentinel never calls: guard, spawn_worker" in message


def test_a_sentinel_in_the_place_of_ours_is_warned_of(caplog, monkeypatch):
    monkeypatch.setattr(Cluster, "spawn_sentinel", lambda self: None)
    monkeypatch.setattr(cluster, "Sentinel", type("Mine", (), {"__module__": "shop"}))

    with caplog.at_level(logging.WARNING, "django-q"):
        Cluster(ORM("test")).start_without_waiting()

    assert "replaces django_q.cluster.Sentinel, but is never called" in caplog.text
