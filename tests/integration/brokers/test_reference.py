"""The table of brokers in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from django_q.brokers.contract.orders import CANCEL_ORDER, LIMIT_ORDER, PAUSE_ORDER
from django_q.brokers.memory import Memory
from django_q.brokers.orm import ORM
from django_q.brokers.redis_broker import Redis
from django_q.brokers.sqs.broker import Sqs
from django_q.brokers.terms import TERM_OPTIONS

PAGE = Path(__file__).parents[3] / "docs" / "brokers.rst"
HEADER = ["Broker", ":ref:`How tasks wait <queue-options>`", "Retries, positions", "Cancel"]
BROKERS = {
    "Redis or Valkey": Redis,
    "Database (``orm``)": ORM,
    "Amazon SQS": Sqs,
    "Memory": Memory,
}


def table():
    """Read the rows of the table, by their first cells."""
    text = PAGE.read_text("utf-8")
    start = text.index(f"   * - {HEADER[0]}\n     - {HEADER[1]}")
    lines = text[start : text.index("\n\n", start)]
    rows = [re.findall(r"- (.+)", row) for row in lines.split("   * ")[1:]]
    assert rows[0] == [*HEADER, "Pause and limit"]
    return {name: cells for name, *cells in rows[1:]}


@pytest.mark.parametrize("name", BROKERS)
def test_the_table_says_what_a_broker_serves_keeps_and_obeys(name):
    broker = BROKERS[name]

    assert table()[name] == [
        "yes" if each else "no"
        for each in (
            broker.serves >= TERM_OPTIONS,
            broker.keeps_state,
            CANCEL_ORDER in broker.obeys,
            broker.obeys >= {PAUSE_ORDER, LIMIT_ORDER},
        )
    ]


def test_the_table_has_all_brokers():
    assert table().keys() == {*BROKERS, "Your own"}
