"""Releases that start in turn, or at once, and declare other schedules."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

import pytest
from django.db import connections

from django_q.models import Schedule, ScheduleSource
from django_q.scheduling.declared.discovery import SourceDeclarations
from tests.integration.scheduling.declared.releases import declared, row, start

pytestmark = pytest.mark.django_db

NIGHT, NOON = {"cron": "0 3 * * *"}, {"cron": "0 12 * * *"}


@pytest.fixture
def log(caplog: Any) -> Any:
    """Record what is logged, from the level INFO on."""
    caplog.set_level(logging.INFO, "django-q")
    return caplog


def test_an_older_release_that_starts_once_more_writes_nothing(log):
    older = declared(report=NIGHT, gone=NIGHT)
    newer = declared(report=NOON, added={**NOON, "on": "multiply"})
    start(older)
    start(newer)

    start(older)

    assert (row("report").cron, row("added").paused, row("gone").paused) == (
        "0 12 * * *",
        False,
        True,
    )
    assert "a later release has declared others" in log.text


def test_releases_that_differ_by_one_schedule_alone_are_told_apart():
    start(declared(report=NIGHT))
    start(declared(report=NIGHT, added=NOON))

    start(declared(report=NIGHT))

    assert not row("added").paused


def test_the_number_of_a_release_decides_where_it_is_set(conf, log):
    conf(release="1.9")
    start(declared(report=NIGHT))
    conf(release="1.10")
    start(declared(report=NOON))

    conf(release="1.9")
    start(declared(report={"cron": "0 6 * * *"}))
    assert row("report").cron == "0 12 * * *"
    assert "a later release (1.10) has declared others" in log.text

    conf(release="1.11")  # which takes back what 1.10 has changed
    start(declared(report=NIGHT))
    assert row("report").cron == "0 3 * * *"


def test_a_later_release_that_changes_nothing_is_the_last_one(conf):
    for release, found in ((1, declared(report=NIGHT)), (2, declared(report=NIGHT)),
                           (1, declared(report=NOON))):  # fmt: skip
        conf(release=release)
        start(found)

    assert row("report").cron == "0 3 * * *"


def test_a_person_may_write_the_schedules_of_an_older_release(conf):
    conf(release=1)
    older = declared(report=NIGHT)
    start(older)
    conf(release=2)
    start(declared(report=NOON))

    conf(release=1)
    start(older, is_forced=True)

    assert (row("report").cron, ScheduleSource.objects.get().release) == ("0 3 * * *", "1")


def test_developers_go_back_and_forth(settings):
    settings.DEBUG = True
    start(declared(report=NIGHT))
    start(declared(report=NOON))

    start(declared(report=NIGHT))

    assert row("report").cron == "0 3 * * *"


def start_together(count: int, found: SourceDeclarations) -> list[Exception]:
    """Start processes at once, as threads with connections of their own; return their errors."""
    barrier, errors = threading.Barrier(count), []

    def run() -> None:
        try:
            barrier.wait(10)
            start(found)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return errors


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_first", [True, False])
def test_clusters_that_start_at_once_make_one_row_each(is_first):
    if not is_first:
        start(declared(before=NIGHT))

    errors = start_together(4, declared(report=NIGHT, other=NOON))

    assert errors == []
    assert sorted(Schedule.objects.exclude(name="before").values_list("name", flat=True)) == [
        "other",
        "report",
    ]
    assert len(json.loads(ScheduleSource.objects.get().records)) == 2 + (not is_first)
