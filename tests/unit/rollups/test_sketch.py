from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_q.rollups.sketch import (
    MAX_SKETCHED_SECONDS,
    MIN_SKETCHED_SECONDS,
    RELATIVE_ERROR,
    Sketch,
)

#: From a microsecond to eleven days.
TIMES = st.lists(st.floats(MIN_SKETCHED_SECONDS, 1e6), min_size=1, max_size=40)
AT_ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SHARES = st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0])


def sketch_of(times):
    sketch = Sketch()
    for seconds in times:
        sketch.add(seconds)
    return sketch


@AT_ANY_SPEED
@given(TIMES, SHARES)
def test_a_quantile_has_a_bounded_relative_error(times, share):
    true = sorted(times)[int(share * (len(times) - 1))]

    found = sketch_of(times).quantile(share)

    assert found == pytest.approx(true, rel=RELATIVE_ERROR * 1.000001)


@AT_ANY_SPEED
@given(TIMES, TIMES)
def test_two_sketches_that_are_merged_are_one_of_all_times(first, second):
    merged = sketch_of(first)
    merged.merge(sketch_of(second).buckets.items())

    assert merged.buckets == sketch_of([*first, *second]).buckets
    assert merged.count == len(first) + len(second)


@pytest.mark.parametrize("seconds", [-5.0, 0.0, float("nan"), float("inf"), 1e300])
def test_a_time_that_is_none_counts_as_the_shortest_or_the_longest(seconds):
    found = sketch_of([seconds]).quantile(0.5)

    limit = MAX_SKETCHED_SECONDS if seconds > 0 else MIN_SKETCHED_SECONDS
    assert found == pytest.approx(limit, rel=RELATIVE_ERROR)


def test_a_sketch_of_nothing_has_no_quantile():
    assert Sketch().quantile(0.5) is None
