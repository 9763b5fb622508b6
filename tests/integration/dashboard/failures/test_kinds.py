"""Failures by kind: what is found among the newest ones, and at which cost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_q.dashboard.failures import kinds
from django_q.dashboard.failures.kinds import find_first, find_kinds
from tests.integration.admin.rows import make_failure, make_task

pytestmark = pytest.mark.django_db
DECLINED, LOST = "d" * 32, "1" * 32


def fail(fingerprint, minutes, now, **values):
    return make_failure(fingerprint=fingerprint, stopped=now - timedelta(minutes=minutes), **values)


def test_failures_are_counted_by_their_fingerprint():
    now = timezone.now()
    make_task(stopped=now)
    for minutes in (5, 30, 90, 60 * 23.5, 60 * 50):
        newest = fail(DECLINED, minutes, now, exception="shop.errors.CardDeclined")
    fail(LOST, 10, now, exception="ConnectionError")

    found = find_kinds(now)

    declined, lost = found.kinds
    assert (declined.fingerprint, declined.count, lost.count) == (DECLINED, 5, 1)
    assert declined.first == newest.stopped
    assert declined.last == now - timedelta(minutes=5)
    assert declined.sample_id != newest.pk
    assert declined.hours[-2:] == [1, 2]
    assert declined.hours[0] == 1
    assert sum(declined.hours) == 4
    assert found.hours[-1] == 3
    assert (found.looked, found.is_limited) == (6, False)


def test_failures_of_earlier_releases_are_told_apart_by_exception_and_function():
    now = timezone.now()
    fail(None, 1, now, func="shop.send")
    fail(None, 2, now, func="shop.send")
    fail(None, 3, now, func="shop.pack")

    found = find_kinds(now)

    assert [(kind.func, kind.count, kind.fingerprint) for kind in found.kinds] == [
        ("shop.send", 2, ""),
        ("shop.pack", 1, ""),
    ]


def test_the_newest_failures_alone_are_looked_at(monkeypatch):
    monkeypatch.setattr(kinds, "MAX_LOOKED_FAILURES", 2)
    now = timezone.now()
    oldest = fail(DECLINED, 60 * 24 * 9, now)
    fail(DECLINED, 10, now)
    fail(DECLINED, 5, now)

    found = find_kinds(now)
    find_first(found.kinds)

    assert (found.looked, found.is_limited) == (2, True)
    assert found.looked_back_to == now - timedelta(minutes=10)
    assert found.kinds[0].count == 2
    assert found.kinds[0].first == oldest.stopped  # by the index of fingerprints


def test_they_are_found_by_one_query():
    now = timezone.now()
    for minutes in range(10):
        fail(f"{minutes:032x}", minutes, now)

    with CaptureQueriesContext(connection) as captured:
        find_kinds(now)

    assert len(captured) == 1


def test_a_failure_that_is_run_again_is_none():
    now = timezone.now()
    fail(DECLINED, 0, now, rerun_at=now)

    assert find_kinds(now).kinds == []
