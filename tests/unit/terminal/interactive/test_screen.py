"""What the screen shows, for terminals of several widths."""

from __future__ import annotations

from dataclasses import replace

import pytest

from django_q.terminal.drawing.table import display_width
from django_q.terminal.interactive.facts import Facts
from django_q.terminal.interactive.screen import screen_rows
from django_q.terminal.interactive.state import Message, Mode, Order, State
from django_q.terminal.interactive.views import VIEWS
from tests.unit.terminal.interactive.made_facts import kind_of, make_facts, screen, shown

WIDTHS = (60, 80, 160)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("mode", Mode)
def test_a_screen_is_as_high_as_the_terminal_and_no_wider(view, width, mode):
    order = Order("Cancel it, whatever it is called? " * 5, str)
    state = State(view, mode, order=order, details=("word " * 100,))

    for height in (1, 2, 5, 24):
        lines = screen(state, make_facts(), width, height)

        assert len(lines) == height
        assert max(map(display_width, lines)) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_running_tasks_are_shown_at_each_width_with_names_function_time_and_progress(width):
    lines = screen(State("running"), make_facts(), width)

    assert lines[0].split() == [*"1 Clusters 2 Queues 3 Running 4 Failures".split()]
    assert lines[2].startswith("> 0:03:00")
    assert "kilo-unc" in lines[2]
    assert "figures_3" in lines[2]  # the end of the path is kept
    assert "640/1000 64%" in lines[3]
    assert ("March" in lines[3]) == (width == 160)


def test_a_cluster_has_the_name_that_its_log_has():
    assert "violet-xray-one-hotel" in screen(State(), make_facts())[2]


def test_a_cluster_of_a_predecessor_that_sends_no_name_has_it_as_well():
    (stat,) = make_facts().stats
    stat.name = ""

    assert "-" in screen(State(), make_facts(stats=[stat]))[2].split()[1]


@pytest.mark.parametrize("width", WIDTHS)
def test_queues_tell_what_holds_them_back_and_who_serves_them(width):
    lines = screen(State("queues"), make_facts(), width)

    assert "Not served" in lines[2]
    assert "paused" in lines[3]
    assert "limit 8" in lines[4]


@pytest.mark.parametrize("width", WIDTHS)
def test_failures_are_listed_by_kind(width):
    lines = screen(State("failures"), make_facts(), width)

    assert lines[2].split()[:2] == [">", "9"]
    assert "SMTPServerDis" in lines[2]
    assert "send_receipt" in lines[2]


def test_a_filter_leaves_the_rows_that_have_all_its_words():
    lines = screen(State("queues").with_filter("served import"), make_facts())

    assert "imports" in lines[2]
    assert lines[3:-2] == [""] * len(lines[3:-2])
    assert lines[-2] == "/served import"


def test_the_selected_row_is_on_the_screen_of_many():
    kinds = [kind_of(number, fingerprint=str(number)) for number in range(100)]
    state = State("failures").with_selection("73", 73)

    lines = screen(state, make_facts(kinds=kinds), height=12)

    (selected,) = [line for line in lines if line.startswith(">")]
    assert selected.split()[1] == "73"


def test_what_is_not_read_yet_is_said_and_what_is_wrong():
    assert "Connecting." in screen(State(), Facts())[2]

    lines = screen(State(), make_facts(error="Can not connect to Redis server. Refused."))

    assert lines[-2] == "Can not connect to Redis server. Refused."
    assert "violet-xray-one-hotel" in lines[2]


def test_a_message_and_a_question_are_above_the_keys():
    told = replace(State("queues"), message=Message("Queue mail is resumed."))
    asked = replace(told, mode=Mode.CONFIRM, order=Order("Pause queue mail?", str))

    assert screen(told, make_facts())[-2] == "Queue mail is resumed."
    assert screen(asked, make_facts())[-2] == "Pause queue mail? y/n"


def test_text_of_others_moves_no_cursor():
    kinds = [kind_of(1, func="shop.\x1b[2J", exception="a\nb")]

    for row in screen_rows(State("failures"), make_facts(kinds=kinds), 80, 24):
        assert shown(row, 80).isprintable()


def test_the_help_names_the_keys_of_all_views():
    text = "\n".join(screen(replace(State(), mode=Mode.HELP), make_facts(), 60))

    for key in ("/", "Enter", "c ", "r ", "p ", "q "):
        assert f"\n  {key}" in text
