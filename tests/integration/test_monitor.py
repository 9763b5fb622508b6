"""The screens as functions, with the names of the predecessors."""

from __future__ import annotations

from io import StringIO

import pytest

from django_q import monitor
from django_q.queues import STOP, Queue
from django_q.terminal import draw
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
