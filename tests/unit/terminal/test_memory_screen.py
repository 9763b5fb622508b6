"""What qmemory shows of clusters and hosts, before anything is drawn."""

from __future__ import annotations

from django_q.terminal import memory_screen
from tests.heartbeats import make_stat
from tests.unit.terminal.row_texts import texts

MEMORY = memory_screen.HostMemory(host="ant", percent=75.0, available=750, total=1000)


def measure(pid: int) -> float | None:
    """Give a process as many megabytes as its pid says; none to one that has ended."""
    return None if pid == 0 else float(pid)


def test_memory_is_told_of_the_cluster_and_its_host():
    stat = make_stat(sentinel=10, monitor=20, workers=[3, 4])

    [row] = memory_screen.rows([stat], MEMORY, measure)

    assert texts(row) == [
        *("ant", "54d638f6", "75.00", "750.00", "1000.00", "10.00", "20.00", "7.00")
    ]


def test_memory_of_another_host_is_not_guessed_from_the_pids_of_ours():
    [row] = memory_screen.rows([make_stat(host="bee", sentinel=10)], MEMORY, measure, workers=True)

    assert texts(row) == ["bee", "54d638f6"] + ["-"] * 6


def test_memory_of_a_process_that_has_ended_is_not_told():
    [row] = memory_screen.rows([make_stat(sentinel=0, monitor=0, workers=[])], MEMORY, measure)

    assert texts(row)[5:] == ["-", "-", "0.00"]


def test_memory_of_each_worker_is_told_some_in_a_row():
    rows = memory_screen.rows(
        [make_stat(workers=list(range(1, 10)))], MEMORY, measure, workers=True
    )

    assert len(rows) == 1 + 3 + 3
    assert texts(rows[2])[:2] == ["Id", "Worker 1"]
    assert texts(rows[5]) == ["Id", "Worker 8", "Worker 9"] + [""] * 5
    assert texts(rows[6]) == ["54d638f6", "8.00", "9.00"] + [""] * 5


def test_the_lowest_memory_is_kept():
    lowest = memory_screen.LowestMemory()

    for percent in (50.0, 40.0, 60.0):
        lowest.note(percent)

    assert lowest.percent == 40.0
