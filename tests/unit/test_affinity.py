"""Which processors a worker is bound to."""

from __future__ import annotations

import os

import psutil
import pytest

from django_q.processes.affinity import set_cpu_affinity, share


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, [[0], [1], [2], [3], [0]]),
        (2, [[0, 1], [2, 3], [0, 1], [2, 3], [0, 1]]),
        (3, [[0, 1, 2], [3, 0, 1], [2, 3, 0], [1, 2, 3], [0, 1, 2]]),
        (9, [[0, 1, 2, 3]] * 5),
    ],
)
def test_processors_are_dealt_out_in_turn(n, expected):
    assert [share(n, index, 4) for index in range(5)] == expected


def test_a_process_is_bound():
    process = psutil.Process()
    before = process.cpu_affinity()
    try:
        set_cpu_affinity(1, [os.getpid()], actual=True)

        assert process.cpu_affinity() == [0]
    finally:
        process.cpu_affinity(before)
