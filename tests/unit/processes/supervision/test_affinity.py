"""Which processors a worker is bound to."""

from __future__ import annotations

import os
import subprocess

import psutil
import pytest

from django_q.processes.supervision.affinity import processors_for_index, set_cpu_affinity


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
    assert [processors_for_index(n, index, [0, 1, 2, 3]) for index in range(5)] == expected


def test_processors_are_those_that_may_be_used():
    before = os.sched_getaffinity(0)
    last = max(before)
    os.sched_setaffinity(0, {last})
    try:
        set_cpu_affinity(1, [os.getpid()], actual=True)

        assert os.sched_getaffinity(0) == {last}
    finally:
        os.sched_setaffinity(0, before)


def test_a_process_that_is_gone_is_not_bound(caplog):
    process = subprocess.Popen(["true"])
    process.wait()

    set_cpu_affinity(1, [process.pid], actual=True)

    assert f"{process.pid} can not be bound to cpu" in caplog.text


def test_a_process_is_bound():
    process = psutil.Process()
    before = process.cpu_affinity()
    try:
        set_cpu_affinity(1, [os.getpid()], actual=True)

        assert process.cpu_affinity() == before[:1]
    finally:
        process.cpu_affinity(before)
