"""What qmonitor shows of heartbeats, before anything is drawn."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.utils.translation import override

from django_q.conf import Conf
from django_q.terminal import cluster_screen
from django_q.terminal.queue_figures import Figures
from tests.heartbeats import make_stat
from tests.unit.terminal.row_texts import texts

TITLES = ["Host", "Id", "State", "Pool", "TQ", "RQ", "RC", "Up"]


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


def run(**values: Any) -> dict[str, Any]:
    """Describe a task that runs, as a heartbeat does."""
    return {"pid": 7, "id": "1", "name": "n", "func": "f", "group": "", "attempt": 1,
            "since": 0, "seconds": 1.0, **values}  # fmt: skip


def test_where_a_task_tells_its_progress_there_is_a_column_of_it():
    stat = make_stat(
        current=[(7, "a", "app.send", 3), (8, "b", "app.fetch", 2), (9, "c", "app.stop", 1)],
        running=[run(done=250, total=1000), run(pid=8), run(pid=9, cancelled="cancelled by a")],
    )

    rows = cluster_screen.rows([stat], wide=True)

    assert [texts(row)[-1] for row in rows] == [
        "0:00:03  250/1000 25%  7  app.send  a",
        "0:00:02                8  app.fetch  b",
        "0:00:01  cancelled     9  app.stop  c",
    ]


def test_what_holds_a_queue_back_is_told_below_the_bar():
    figures = Figures("Redis 7", holds={"mail": "paused", "a": "limit 4"})

    [_blank, _bar, first, second] = cluster_screen.summary_rows(figures)

    assert [texts(first), texts(second)] == [["Queue 'a': limit 4."], ["Queue 'mail': paused."]]


def test_an_idle_cluster_is_one_row_of_a_wide_table():
    [row] = cluster_screen.rows([make_stat()], wide=True)

    assert texts(row)[-1] == ""


def test_the_bar_tells_the_queue_and_the_results():
    [_blank, bar] = cluster_screen.summary_rows(
        Figures("Redis 7", queued=3, locked=2, successes=250, failures=1)
    )

    assert texts(bar) == ["Redis 7", "Queued 3(2)", "Success 250", "Failures 1"]


def test_delayed_tasks_are_told_below_the_bar():
    [_blank, _bar, delayed] = cluster_screen.summary_rows(Figures("Redis 7", delayed=12))

    assert texts(delayed) == ["12 tasks are delayed."]


def test_packages_that_were_put_aside_are_told():
    [_blank, _bar, dead] = cluster_screen.summary_rows(Figures("Redis 7", dead=1))

    assert texts(dead) == ["1 package could not be decoded and was put aside."]
