"""The screens as functions, with the names of the predecessors."""

from __future__ import annotations

import os
from io import StringIO

import pytest

from django_q import monitor
from django_q.queues import STOP, Queue
from django_q.terminal.drawing import draw
from tests.heartbeats import make_stat

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_screens_are_plain_text_without_blessed(broker, monkeypatch):
    monkeypatch.setattr(draw, "blessed", None)
    out = StringIO()
    out.isatty = lambda: True
    make_stat().save(broker)

    monitor.monitor(run_once=True, broker=broker, out=out)

    assert "\x1b" not in out.getvalue()
    assert "ant" in out.getvalue()


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_a_terminal_without_a_keyboard_gets_the_classic_screen(monkeypatch, no_colour):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_colour)
    master, slave = os.openpty()
    with open(os.devnull) as nothing, open(slave, "w") as out:
        monkeypatch.setattr("sys.__stdin__", nothing)
        term = draw.terminal_for(out)

        assert term.can_draw_over
        assert not term.has_keys
        assert "Ctrl-C" in str(term.quit_hint)
        assert ("\x1b[3" in term.paint("text", "red")) == (not no_colour)
        assert os.environ["NO_COLOR"] == no_colour
    os.close(master)


def test_the_functions_return_what_they_did_in_the_predecessors(broker):
    assert monitor.info(broker, out=StringIO()) is True
    assert monitor.get_ids(broker, out=StringIO()) is True
    assert monitor.memory(True, True, broker, out=StringIO()) is None
    assert monitor.get_process_mb(2**22 + 1) is None


def test_monitor_called_with_a_queue_is_the_process_that_saves_results(broker):
    results = Queue()
    results.put(STOP)

    assert monitor.monitor(results, broker) is None
    results.close()
