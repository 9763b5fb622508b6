from __future__ import annotations

import pytest

from django_q.dashboard.charts.scales import CountScale, TimeScale, round_up


@pytest.mark.parametrize(
    ("number", "top"),
    [(0, 1), (1, 1), (3, 4), (9, 10), (10, 10), (11, 20), (730, 800), (1001, 2000)],
)
def test_the_greatest_number_is_rounded_up(number, top):
    assert round_up(number) == top
    assert CountScale([number, 0]).share(top) == 1


def test_the_grid_of_numbers_names_the_top_and_the_middle():
    assert CountScale([35]).grid() == [(0.5, "20"), (1.0, "40")]
    assert CountScale([]).grid() == [(1.0, "1")]


def test_times_are_on_a_logarithmic_scale_between_powers_of_ten():
    scale = TimeScale([0.002, 5.0])

    assert scale.share(0.001) == pytest.approx(0)
    assert scale.share(0.1) == pytest.approx(0.5)
    assert scale.share(10) == pytest.approx(1)
    assert [text for _share, text in scale.grid()] == ["10 s", "1 s", "100 ms", "10 ms", "1 ms"]


def test_the_grid_of_times_has_at_most_six_lines():
    assert len(TimeScale([1e-6, 1e9]).grid()) <= 6
    assert len(TimeScale([]).grid()) == 2
    assert TimeScale([1.0]).share(1.0) == 0
