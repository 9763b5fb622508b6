"""How rows fit a width, and frames a height."""

from __future__ import annotations

import pytest

from django_q.terminal.drawing.table import (
    BLANK_ROW,
    Cell,
    Frame,
    cut_to_width,
    display_width,
    fit_row,
)


def texts(row: list, width: int) -> list[str]:
    return [text for text, _style in fit_row(row, width)]


def test_cells_share_the_width_equally():
    assert [len(text) for text in texts([Cell("a")] * 8, 80)] == [10] * 8


def test_the_last_cell_takes_what_the_division_leaves():
    assert [len(text) for text in texts([Cell("a")] * 8, 83)] == [10] * 7 + [13]


def test_a_cell_takes_as_many_columns_as_it_spans():
    assert [len(text) for text in texts([Cell("a"), Cell("b", span=3)], 80)] == [20, 60]


def test_texts_are_centred_unless_they_are_to_the_left():
    assert texts([Cell("ab"), Cell("ab", left=True)], 12) == ["  ab  ", "ab    "]


def test_a_text_that_is_too_long_is_cut_and_leaves_a_gap_to_its_neighbour():
    assert texts([Cell("a-host-with-a-long-name"), Cell("b")], 20) == ["a-host-w~ ", "    b     "]


def test_a_text_alone_in_its_row_takes_all_the_width():
    assert texts([Cell("0123456789")], 10) == ["0123456789"]


def test_a_blank_row_has_no_cells():
    assert fit_row(BLANK_ROW, 80) == []


@pytest.mark.parametrize("width", [1, 3, 7])
def test_a_terminal_that_is_too_narrow_does_no_harm(width):
    assert len(texts([Cell("abc")] * 8, width)) == 8


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("東京", 4), ("e\u0301", 1), ("", 0), ("한국", 4)]
)
def test_east_asian_characters_take_two_columns(text, width):
    assert display_width(text) == width


def test_a_wide_character_is_not_cut_in_half():
    assert cut_to_width("東京都", 4) == "東~"


def test_control_characters_of_a_task_name_do_not_reach_the_terminal():
    assert cut_to_width("\x1b[2Jname\n", 20) == "?[2Jname?"


def rows_of(text: str, count: int) -> list:
    return [[Cell(f"{text}{number}")] for number in range(count)]


def test_a_frame_that_fits_is_shown_whole():
    frame = Frame(rows_of("head", 1), rows_of("body", 2), rows_of("foot", 1))

    assert frame.rows(4) == frame.rows() == [*frame.head, *frame.body, *frame.foot]


def test_a_frame_that_is_too_high_says_how_many_rows_are_missing():
    frame = Frame(rows_of("head", 1), rows_of("body", 9), rows_of("foot", 1))

    assert [row[0].text for row in frame.rows(5)] == [
        *("head0", "body0", "body1", "7 more rows", "foot0")
    ]


@pytest.mark.parametrize("height", [0, 1, 2, 3])
def test_a_frame_is_never_higher_than_the_terminal(height):
    frame = Frame(rows_of("head", 1), rows_of("body", 9), rows_of("foot", 3))

    assert len(frame.rows(height)) <= height
