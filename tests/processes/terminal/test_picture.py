"""The picture of qmonitor in the documentation; ``DJANGO_Q_PICTURES=folder`` keeps it."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.browser import busy_site
from tests.processes.terminal.picture import svg
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


def test_a_busy_site_is_drawn(terminal, broker):
    busy_site.fill()
    monitor = terminal("qmonitor", width=100, height=12).until("1 Clusters")
    monitor.press("3")
    # Heartbeats expire, on a machine that has much else to do too.
    wait_until(lambda: busy_site.beat() or monitor.shows(("640/1000", "c cancel")), interval=1)

    drawn = svg(monitor.screen, "qmonitor: the tasks that run")

    texts = "".join(ElementTree.fromstring(drawn).itertext())
    assert "shop.reports.monthly_figures" in texts
    if folder := os.environ.get("DJANGO_Q_PICTURES"):
        Path(folder, "terminal.svg").write_text(drawn)
