"""How columns share the width of a terminal."""

from __future__ import annotations

from django_q.terminal.interactive.columns import Column, cut_beginning, table
from tests.unit.terminal.interactive.made_facts import shown

COLUMNS = (
    Column("No", lambda row: row[0]),
    Column("Path", lambda row: row[1], share=1, keeps_end=True),
    Column("Note", lambda row: row[2], is_optional=True),
    Column("Far", lambda row: "far", from_width=50),
)


def lines(rows, width):
    head, body = table(COLUMNS, rows, width, 0)
    return [shown(row, width) for row in (head, *body)]


def test_a_shared_column_gets_what_the_others_leave():
    assert lines([(1, "a.long.path.of.a.function", "")], 20) == [
        "  No  Path",
        "> 1   ~.a.function",
    ]


def test_a_wide_terminal_has_more_columns():
    assert lines([(1, "a.b", "")], 50)[0].split() == ["No", "Path", "Far"]


def test_an_optional_column_is_there_where_a_row_has_it():
    assert lines([(1, "a.b", ""), (2, "c.d", "hm")], 40)[0].split() == ["No", "Path", "Note"]


def test_columns_that_have_no_room_are_cut():
    assert [len(line) <= 6 for line in lines([(123456, "a", "")], 6)] == [True, True]


def test_the_end_of_a_text_is_kept():
    assert cut_beginning("shop.tasks.resize", 7) == "~resize"
    assert cut_beginning("resize", 7) == "resize"
    assert cut_beginning("resize", 0) == ""
