"""Clocks that differ."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from django_q.doctor.subjects.clocks import HARMFUL_CLOCK_SKEW, examine, server_clocks, skew_of
from tests.heartbeats import make_stat
from tests.integration.doctor.found import found

pytestmark = pytest.mark.once


def test_clocks_that_agree_have_no_finding(broker):
    make_stat().save(broker)

    assert found(examine) == {}


@pytest.mark.parametrize(
    ("seconds", "level"), [(20, "warning"), (3600, "error"), (-40, "warning"), (-3600, "error")]
)
def test_the_clock_of_a_host_that_differs_is_found_by_its_heartbeat(seconds, level, broker):
    make_stat(timestamp=datetime.now(timezone.utc) + timedelta(seconds=seconds)).save(broker)

    finding = found(examine)["clock-skew"]

    assert finding.level == level
    assert ("ahead of" if seconds > 0 else "behind") in finding.found
    assert "host ant" in finding.found


def test_a_clock_is_compared_with_the_moments_before_and_after_it_was_read():
    assert skew_of(time.time) == 0
    assert skew_of(lambda: time.time() + 100) == pytest.approx(100, abs=5)
    assert skew_of(lambda: time.time() - 100) == pytest.approx(-100, abs=5)


def test_the_clock_of_redis_is_read(broker):
    ((name, read_clock),) = server_clocks()

    assert name == "Redis"
    assert abs(skew_of(read_clock)) < HARMFUL_CLOCK_SKEW


def test_the_clock_of_postgresql_is_read(postgres, conf):
    conf(orm=postgres)
    ((name, read_clock),) = server_clocks()

    assert name == f"the database '{postgres}'"
    assert abs(skew_of(read_clock)) < HARMFUL_CLOCK_SKEW
