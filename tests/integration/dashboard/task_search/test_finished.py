"""Walks of the tasks that have ended: along an index, whatever their number."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import islice

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone as django_timezone

from django_q.dashboard.task_search import finished
from django_q.dashboard.task_search.fields import SearchError
from django_q.dashboard.task_search.finished import Position, finished_tasks, read_position
from django_q.dashboard.task_search.language import parse
from django_q.dashboard.task_search.search import search
from django_q.models import Task

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
ROWS = 3000
COLUMNS = ("id", "name", "func", "group", "started", "stopped", "success", "attempt_count",
           "fingerprint", "exception")  # fmt: skip


def fill(rows):
    """Make many tasks, every tenth a failure; several end at the same time."""
    adapt = connection.ops.adapt_datetimefield_value
    values = [
        (
            f"{number:032x}",
            f"name-{number}",
            f"shop.tasks.number_{number % 50}",
            f"group-{number % 500}",
            adapt(NOW),
            adapt(NOW - timedelta(seconds=number // 3)),
            number % 10 > 0,
            1,
            None if number % 10 else f"{number % 7:032x}",
            None if number % 10 else "shop.errors.CardDeclined",
        )
        for number in range(rows)
    ]
    names = ", ".join(map(connection.ops.quote_name, COLUMNS))
    places = ", ".join(["%s"] * len(COLUMNS))
    with connection.cursor() as cursor:
        # In one transaction, and without objects: a second in place of a dozen.
        cursor.executemany(f"INSERT INTO django_q_task ({names}) VALUES ({places})", values)
        if connection.vendor != "mysql":  # where that commits
            cursor.execute("ANALYZE")


@pytest.fixture
def many():
    fill(ROWS)


def plans(captured):
    """Explain the queries that read tasks."""
    found = []
    for query in captured.captured_queries:
        if "FROM" in query["sql"] and "django_q_task" in query["sql"]:
            word = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
            with connection.cursor() as cursor:
                cursor.execute(f"{word} {query['sql'].replace('%', '%%')}")
                found.append(" ".join(str(row) for row in cursor.fetchall()))
    return found


SEARCHES = [
    "",
    "state:failed",
    "func:number_7*",
    "group:group-7",
    f"kind:{'0' * 31}5",
    "since:1h",
    "since:2h state:failed",
    "until:2026-01-31T11:00+00:00",
    "error:CardDeclined",
    f"id:{'0' * 31}7",
]


@pytest.mark.skipif("connection.vendor == 'mysql'")
def test_a_page_is_found_by_an_index_and_by_no_scan_of_the_table():
    fill(20_000)
    for text in SEARCHES:
        query = parse(text, NOW)
        first = list(islice(finished_tasks(query, None), 50))
        behind = Position(first[-1].when, first[-1].id)
        with CaptureQueriesContext(connection) as captured:
            list(islice(finished_tasks(query, None), 50))
            list(islice(finished_tasks(query, behind), 50))
        read = plans(captured)

        assert read
        for plan in read:
            assert "Seq Scan" not in plan, text
            assert "SCAN" not in plan, text
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan, text


@pytest.mark.parametrize("text", ["", "state:failed", "group:group-7", "func:number_7"])
def test_all_tasks_come_once_and_in_the_order_of_their_ends(many, text):
    query = parse(text, NOW)

    walked = list(finished_tasks(query, None))
    found = [task.id for task in walked if query.matches(task)]

    rows = Task.objects.order_by("-stopped", "-pk").defer("args")
    wanted = {
        "": lambda row: True,
        "state:failed": lambda row: not row.success,
        "group:group-7": lambda row: row.group == "group-7",
        "func:number_7": lambda row: "number_7" in row.func,
    }[text]
    assert found == [row.pk for row in rows if wanted(row)]


def test_pages_of_a_search_have_all_tasks_once(many, monkeypatch, make_broker):
    make_broker("memory")
    query, after, seen = parse("group:group-7", NOW), "", []

    while True:
        page = search(query, after)
        seen += [task.id for task in page.tasks]
        after = page.next
        if not after:
            break

    assert len(seen) == len(set(seen)) == ROWS // 500


def test_a_page_neither_counts_nor_skips_rows(many):
    with CaptureQueriesContext(connection) as captured:
        list(finished_tasks(parse("func:nowhere", NOW), None))

    statements = [query["sql"].upper() for query in captured.captured_queries]
    assert not [sql for sql in statements if "COUNT(" in sql or "OFFSET" in sql]
    assert len(statements) < 20


def test_a_search_stops_after_so_many_tasks(many, monkeypatch, make_broker):
    make_broker("memory")
    monkeypatch.setattr("django_q.dashboard.task_search.search.MAX_LOOKED", 1000)

    page = search(parse("func:nowhere", NOW), "")

    assert (page.looked, page.has_more_finished, page.tasks) == (1000, True, [])
    assert page.looked_back_to == NOW - timedelta(seconds=333)


def test_a_position_is_read_as_it_was_written():
    position = Position(NOW, "a/b")

    assert read_position(str(position)) == position
    assert [read_position(text) for text in ("", "x", "x/y", "2026-02-31T00:00/x")] == [None] * 4


def test_large_arguments_are_not_searched(monkeypatch):
    monkeypatch.setattr(finished, "MAX_SEARCHED_LENGTH", 200)
    times = {"started": NOW, "stopped": NOW}
    Task.objects.create(id="1" * 32, name="small", func="f", args=("needle",), kwargs={}, **times)
    Task.objects.create(id="2" * 32, name="large", func="f", args=("needle", "x" * 500), **times)
    query = parse("args:needle", NOW)

    found = [task.name for task in finished_tasks(query, None) if query.matches(task)]

    assert found == ["small"]


@pytest.mark.parametrize("use_tz", [True, False])
@pytest.mark.parametrize("text", ["since:{}", "since:3d", "until:9999-12-31", "since:0001-01-01"])
def test_a_time_is_compared_with_and_without_time_zones(settings, use_tz, text):
    settings.USE_TZ = use_tz
    now = django_timezone.now()
    Task.objects.create(id="a" * 32, name="a", func="f", started=now, stopped=now, success=True)
    day = (now - timedelta(days=2)).date()

    found = search(parse(text.format(day), now), "")

    assert [task.id for task in found.tasks] == ["a" * 32]


@pytest.mark.parametrize("value", ["999999w", "2026-02-30", "x"])
def test_a_time_that_is_none_is_refused(value):
    with pytest.raises(SearchError, match="unknown time"):
        parse(f"since:{value}", NOW)


@pytest.mark.parametrize(
    ("use_tz", "text"),
    [(True, "2026-01-31T12:00:00/a"), (False, "2026-01-31T12:00:00+00:00/a"), (True, "x/a")],
)
def test_a_position_of_other_times_is_none(settings, use_tz, text):
    settings.USE_TZ = use_tz

    assert read_position(text) is None
