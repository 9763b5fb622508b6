"""A site at work, as the interactive monitor has read it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from django_q.brokers.contract.orders import QueueControl
from django_q.brokers.terms import QueueCounts
from django_q.conf import Conf
from django_q.dashboard.failures.kinds import Kind
from django_q.status import Stat
from django_q.terminal.drawing.table import Row, fit_row
from django_q.terminal.interactive.facts import Facts
from django_q.terminal.interactive.screen import screen_rows
from django_q.terminal.interactive.state import State
from django_q.terminal.queue_figures import Figures
from django_q.unfinished.queues import QueueState
from tests.heartbeats import CLUSTER_ID, make_stat

NOW = datetime.now(timezone.utc)


def run_of(number: int, **values: Any) -> dict[str, Any]:
    """Make a task that runs, as a heartbeat has it."""
    return {"pid": 100 + number, "id": f"{number:032}", "name": f"kilo-uncle-west-{number}",
            "func": f"shop.reports.monthly_figures_{number}", "group": "", "attempt": 1,
            "since": 0.0, "seconds": 60.0 * number, **values}  # fmt: skip


def cluster(**values: Any) -> Stat:
    """Make a cluster that runs three tasks."""
    runs = [run_of(1), run_of(2, done=640, total=1000, note="March"), run_of(3)]
    return make_stat(name="violet-xray-one-hotel", status=Conf.WORKING, running=runs, **values)


def kind_of(number: int, **values: Any) -> Kind:
    """Make a kind of failures."""
    known = {"fingerprint": f"{number}" * 32, "exception": "smtplib.SMTPServerDisconnected",
             "func": "shop.mails.send_receipt", "sample_id": "f" * 32, "sample_name": "red-fox",
             "last": NOW, "first": NOW - timedelta(hours=3), "count": number}  # fmt: skip
    return Kind(**{**known, **values})


def make_facts(**values: Any) -> Facts:
    """Make what is known of a busy site."""
    queues = [
        QueueState("imports", QueueCounts(3, 0, 0, 745.0), False),
        QueueState("mail", QueueCounts(7, 0, 0, 12.0), True, QueueControl(True)),
        QueueState("shop", QueueCounts(24, 1, 3, 2.0), True, QueueControl(limit=8), 3),
    ]
    known = {"stats": [cluster(cluster_id=CLUSTER_ID)], "queues": queues,
             "figures": Figures("Valkey 9", 24, 3), "kinds": [kind_of(9), kind_of(2)]}  # fmt: skip
    return Facts(**{**known, **values})


def shown(row: Row, width: int) -> str:
    """Write a row as the terminal shows it."""
    return "".join(text for text, _style in fit_row(row, width)).rstrip()


def screen(state: State, facts: Facts, width: int = 80, height: int = 24) -> list[str]:
    """Write the lines of the screen."""
    return [shown(row, width) for row in screen_rows(state, facts, width, height)]
