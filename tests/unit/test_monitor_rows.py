"""What the screens show of heartbeats and figures, before anything is drawn."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.utils.translation import override

from django_q.conf import Conf
from django_q.terminal import cluster_screen, memory_screen, report
from django_q.terminal.queue_figures import MAX_COUNTED_ROWS, Figures, ThrottledValue, figure_text
from django_q.terminal.table import Row
from tests.heartbeats import make_stat

TITLES = ["Host", "Id", "State", "Pool", "TQ", "RQ", "RC", "Up"]


def texts(row: Row) -> list[str]:
    return [cell.text for cell in row]


def style(column: str, **values: Any) -> str:
    """Give the colour that a cluster has in a column."""
    [row] = cluster_screen.rows([make_stat(**values)])
    return row[TITLES.index(column)].style


def test_the_table_has_the_eight_columns_of_django_q():
    header = cluster_screen.header()

    assert texts(header) == TITLES
    assert {cell.style for cell in header} == {"black_on_green"}


def test_a_cluster_is_a_row():
    stat = make_stat(
        tob=datetime.now(timezone.utc) - timedelta(hours=26, minutes=3, seconds=4),
        workers=[7, 8],
        task_q_size=3,
        done_q_size=1,
        reincarnations=2,
    )

    [row] = cluster_screen.rows([stat])

    assert texts(row) == ["ant", "54d638f6", "Idle", "2", "3", "1", "2", "26:03:04"]


@pytest.mark.parametrize(
    ("state", "colour"),
    [
        (Conf.WORKING, "green"),
        (Conf.STARTING, "yellow"),
        (Conf.STOPPING, "yellow"),
        (Conf.STOPPED, "red"),
        (Conf.IDLE, ""),
    ],
)
def test_a_state_has_its_colour_in_every_language(state, colour):
    assert style("State", status=state) == colour
    with override("de"):
        assert style("State", status=state) == colour


@pytest.mark.parametrize(
    ("workers", "size", "colour"), [([7], 2, "yellow"), ([7, 8], 2, ""), ([7], 0, "")]
)
def test_a_pool_that_lacks_workers_is_yellow(conf, workers, size, colour):
    conf(workers=1)

    assert style("Pool", workers=workers, pool_size=size) == colour


@pytest.mark.parametrize(
    ("size", "limit", "colour"), [(0, 0, ""), (3, 0, "cyan"), (3, 4, "cyan"), (4, 4, "green")]
)
def test_a_task_queue_shows_that_it_fills(conf, size, limit, colour):
    conf(queue_limit=limit)

    assert style("TQ", task_q_size=size) == colour


@pytest.mark.parametrize(("size", "colour"), [(0, ""), (1, "cyan")])
def test_results_that_wait_are_cyan(size, colour):
    assert style("RQ", done_q_size=size) == colour


def test_a_missing_cluster_is_said():
    assert "No clusters appear to be running." in texts(cluster_screen.rows([])[-1])


def test_a_wide_table_tells_the_queue_and_what_runs_the_longest_first():
    stat = make_stat(
        queue="mail",
        current=[(7, "four-words", "app.send", 1.2), (8, "more-words", "app.fetch", 61.5)],
    )

    first, second = cluster_screen.rows([stat], wide=True)

    assert texts(first)[-2:] == ["mail", "0:01:01  8  app.fetch  more-words"]
    assert texts(second) == [""] * 9 + ["0:00:01  7  app.send  four-words"]
    assert texts(cluster_screen.header(wide=True)) == [*TITLES, "Queue", "Running"]


def test_an_idle_cluster_is_one_row_of_a_wide_table():
    [row] = cluster_screen.rows([make_stat()], wide=True)

    assert texts(row)[-1] == ""


def test_the_bar_tells_the_queue_and_the_results():
    [_blank, bar] = cluster_screen.summary_rows(Figures("Redis 7", 3, 2, 0, 250, 1))

    assert texts(bar) == ["Redis 7", "Queued 3(2)", "Success 250", "Failures 1"]


def test_packages_that_were_put_aside_are_told():
    [_blank, _bar, dead] = cluster_screen.summary_rows(Figures("Redis 7", dead=1))

    assert texts(dead) == ["1 package could not be decoded and was put aside."]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "?"),
        (0, "0"),
        (MAX_COUNTED_ROWS, str(MAX_COUNTED_ROWS)),
        (MAX_COUNTED_ROWS + 1, f"{MAX_COUNTED_ROWS}+"),
    ],
)
def test_a_figure_is_exact_as_far_as_rows_are_counted(number, text):
    assert figure_text(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (59.9, "0:00:59"), (360_061, "100:01:01"), (-3, "0:00:00")],
)
def test_a_duration_is_hours_minutes_and_seconds(seconds, text):
    assert cluster_screen.duration(seconds) == text


class Clock:
    """A clock that asking takes time of."""

    def __init__(self, price: float) -> None:
        self.now = 0.0
        self.price = price
        self.asked = 0

    def ask(self) -> int:
        self.now += self.price
        self.asked += 1
        return self.asked


@pytest.mark.parametrize(("price", "pause"), [(0, 5), (1, 20)])
def test_a_figure_is_asked_for_seldom_and_a_dear_one_more_seldom(price, pause):
    clock = Clock(price)
    figure = ThrottledValue(clock.ask, interval=5, clock=lambda: clock.now)

    first = figure()
    clock.now += pause - 0.1
    early = figure()
    clock.now += 0.1
    late = figure()

    assert (first, early, late) == (1, 1, 2)


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


def facts(**values: Any) -> dict[str, Any]:
    """Make what a report is laid out from."""
    defaults = {
        "version": "2.0.0",
        "name": "shop",
        "broker": "Redis 7",
        "clusters": [{"workers": [1, 2], "reincarnations": 1}] * 2,
        "queued": 3,
        "locked": 2,
        "dead": 0,
        "successes": 250,
        "failures": 4,
        "schedules": 5,
        "last_24_hours": {"tasks": 48, "average_seconds": 0.12345},
    }
    return {**defaults, **values}


def test_the_summary_tells_clusters_queue_and_results():
    title, _blank, *rows = report.rows(facts())

    assert texts(title) == ["-- Shop 2.0.0 on Redis 7 --"]
    assert [texts(row) for row in rows] == [
        ["Clusters", "2", "Workers", "4", "Restarts", "2"],
        ["Queued", "3(2)", "Successes", "250", "Failures", "4"],
        ["Schedules", "5", "Tasks/hour", "2.00", "Avg time", "0.1235"],
    ]


def test_the_summary_of_a_database_that_is_down_says_so():
    silent = dict.fromkeys(("successes", "failures", "schedules", "last_24_hours"))

    rows = report.rows(facts(**silent))

    assert texts(rows[3]) == ["Queued", "3(2)", "Successes", "?", "Failures", "?"]
    assert texts(rows[4]) == ["Schedules", "?", "Tasks/day", "?", "Avg time", "?"]


@pytest.mark.parametrize(
    ("tasks", "unit", "rate"),
    [
        (0, "Tasks/day", 0),
        (23, "Tasks/day", 23),
        (24, "Tasks/hour", 1),
        (1440, "Tasks/minute", 1),
        (172_800, "Tasks/second", 2),
    ],
)
def test_a_rate_is_told_in_the_smallest_unit_that_has_a_task(tasks, unit, rate):
    assert report.rate_per_unit(tasks) == (unit, rate)
