"""What keys do, without a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from django_q.terminal.interactive.keys import press
from django_q.terminal.interactive.state import Mode, State
from django_q.terminal.interactive.views import VIEWS, view_of
from tests.unit.terminal.interactive.made_facts import kind_of, make_facts


def typed(state, *keys, facts=None):
    """Press keys one after the other; returns what the last one has led to."""
    facts = facts or make_facts()
    for key in keys:
        pressed = press(state, key, view_of(state).filtered(facts, state.filter))
        state = pressed.state
    return pressed


def test_numbers_tab_and_arrows_switch_the_view():
    assert [typed(State(), number).state.view for number in "1234"] == list(VIEWS)
    assert typed(State(), "KEY_TAB").state.view == "queues"
    assert typed(State(), "KEY_LEFT").state.view == "failures"
    assert typed(State(), "9").state.view == "clusters"


@pytest.mark.parametrize("key", ["²", "٣", "0", "5", "", "é", "KEY_F1", "\x1b"])
def test_a_key_without_a_meaning_does_nothing(key):
    for mode in Mode:
        assert typed(State("failures", mode=mode), key).state.view == "failures"


def test_arrows_select_a_row_and_stop_at_the_ends():
    def index(*keys):
        return typed(State("queues"), *keys).state.selection

    assert index("KEY_DOWN").key == "mail"
    assert index("j", "j", "j", "j").key == "shop"
    assert index("G", "k").key == "mail"
    assert index("KEY_PGDOWN", "KEY_HOME").key == "imports"


def test_a_row_stays_selected_when_others_come_and_one_beside_it_when_it_goes():
    state = typed(State("queues"), "j").state

    assert state.selection.index_in(["a", "b", "mail"]) == 2
    assert state.selection.index_in(["a"]) == 0
    assert state.selection.index_in([]) is None


def test_a_filter_is_typed_kept_and_taken_away():
    state = typed(State("queues"), "/", *"shqp", "KEY_BACKSPACE").state
    assert (state.mode, state.filter) == (Mode.FILTER, "shq")

    state = typed(state, "KEY_BACKSPACE", "KEY_ENTER").state
    assert (state.mode, state.filter) == (Mode.BROWSE, "sh")
    assert typed(state, "KEY_ESCAPE").state.filter == ""
    assert typed(State(), "/", "q", "KEY_ESCAPE").state == State().with_filter("")


@pytest.mark.parametrize(
    ("view", "key", "question"),
    [
        ("running", "c", "Cancel task kilo-uncle-west-3 (shop.reports.monthly_figures_3)?"),
        ("failures", "r", "Resubmit the failures of shop.mails.send_receipt"),
        ("queues", "p", "Pause queue imports?"),
    ],
)
def test_an_order_is_given_only_after_y(view, key, question):
    asked = typed(State(view), key)
    assert asked.order is None
    assert asked.state.order.question.startswith(question)

    for answer in ("n", "KEY_ENTER", "KEY_ESCAPE", "q"):
        refused = typed(asked.state, answer)
        assert refused.order is None
        assert (refused.state.mode, refused.state.is_over) == (Mode.BROWSE, False)
        assert refused.state.message.text == "Nothing was done."
    assert typed(asked.state, "y").order is asked.state.order


def test_a_paused_queue_is_resumed_by_the_same_key():
    assert typed(State("queues"), "j", "p").state.order.question == "Resume queue mail?"


def test_a_key_without_a_row_or_an_order_does_nothing():
    empty = make_facts(stats=[], kinds=[kind_of(1, fingerprint="")])

    assert typed(State("running"), "c", facts=empty).state.mode is Mode.BROWSE
    assert typed(State("failures"), "r", facts=empty).state.mode is Mode.BROWSE
    assert typed(State("clusters"), "c").state.mode is Mode.BROWSE


def test_details_are_looked_up_scrolled_and_left():
    pressed = typed(State("clusters"), "KEY_ENTER")
    assert "violet-xray-one-hotel" in pressed.look()[0]

    state = replace(pressed.state, details=tuple("abc"))
    assert typed(state, "j", "j", "j", "j").state.scroll == 2
    assert typed(state, "KEY_ESCAPE").state.mode is Mode.BROWSE


@pytest.mark.parametrize("mode", [Mode.BROWSE, Mode.DETAILS, Mode.HELP])
def test_q_quits_but_where_it_is_typed(mode):
    assert typed(replace(State(), mode=mode), "q").state.is_over
    assert not typed(State(), "/", "q").state.is_over


def test_help_is_left_by_any_key():
    assert typed(State(), "?").state.mode is Mode.HELP
    assert typed(State(), "?", "x").state.mode is Mode.BROWSE
