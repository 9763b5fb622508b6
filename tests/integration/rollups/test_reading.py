from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_q.models import DeployMark
from django_q.rollups.reading import PERIODS, read_figures, read_marks, summed
from django_q.rollups.spans import HOUR
from tests.integration.rollups.rows import add_row

pytestmark = pytest.mark.django_db

NOW = 1_800_000_030


def test_an_hour_has_sixty_steps_and_the_last_is_the_present_minute():
    add_row(NOW - 30, runs=2)
    add_row(NOW - 30 - 60 * 59, runs=3)
    add_row(NOW - 30 - 60 * 60)

    figures = read_figures(PERIODS["hour"], NOW)

    assert [each.runs for each in figures.steps] == [3, *[0] * 58, 2]
    assert figures.time_of(59) == NOW - 30
    assert figures.seconds == HOUR


def test_rows_of_several_clusters_and_spans_add_up():
    for span in (60, 900, 60):
        add_row(NOW - 2 * HOUR, span=span)

    figures = read_figures(PERIODS["day"], NOW)

    assert summed(figures.steps).runs == 3
    assert summed(figures.steps).run.count == 3


@pytest.mark.parametrize(
    ("queue", "func", "runs"), [("", "", 7), ("web", "", 4), ("", "b", 6), ("web", "b", 4)]
)
def test_the_steps_have_the_runs_of_the_chosen_queue_and_function(queue, func, runs):
    for number, key in enumerate([("mail", "a"), ("mail", "b"), ("web", "b")]):
        add_row(NOW - 30, runs=(1, 2, 4)[number], key=key)

    figures = read_figures(PERIODS["hour"], NOW, queue, func)

    assert summed(figures.steps).runs == runs
    assert len(figures.by_function) == 3


def test_a_period_is_one_query_however_many_runs_there_were():
    add_row(NOW - 30, runs=1000)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        read_figures(PERIODS["month"], NOW)

    assert len(queries) == 1


def test_marks_are_read_from_the_start_of_a_period():
    for at, text in ((NOW - 100, "v12"), (NOW - 5000, "v11"), (NOW - 50, "v13")):
        DeployMark.objects.create(at=at, text=text)

    assert read_marks(NOW - 1000) == [(NOW - 100, "v12"), (NOW - 50, "v13")]
