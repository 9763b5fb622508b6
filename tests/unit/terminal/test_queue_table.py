"""The table of queues in qinfo."""

from __future__ import annotations

import json

import pytest

from django_q.brokers.contract.orders import QueueControl
from django_q.brokers.terms import QueueCounts
from django_q.terminal.drawing.table import fit_row
from django_q.terminal.queue_table import queue_as_dict, queue_rows
from django_q.unfinished.queues import QueueState
from tests.unit.terminal.row_texts import texts


def rows(*queues):
    """Lay queues out; each is (name, counts, whether it is served)."""
    return queue_rows([queue_as_dict(QueueState(*queue)) for queue in queues])


def test_each_queue_has_a_row():
    _blank, *table = rows(
        ("shop", QueueCounts(3, 2, 1, 3725.5), True), ("test", QueueCounts(0, 0, 0), True)
    )

    assert [texts(row) for row in table] == [
        ["Queue", "Waiting", "Delayed", "Leased", "Oldest"],
        ["shop", "3", "2", "1", "1:02:05"],
        ["test", "0", "0", "0", "-"],
    ]


def test_a_queue_with_tasks_that_nobody_serves_is_warned_of():
    for counts in (QueueCounts(1), QueueCounts(0, 1), QueueCounts(0, 0, 1)):
        *_table, queue, warning = rows(("shop", counts, False))

        assert texts(warning) == ["Nobody serves 'shop'."]
        assert {cell.style for cell in queue} == {"red"}


def test_of_an_empty_queue_that_nobody_serves_nobody_is_warned():
    *_table, queue = rows(("shop", QueueCounts(), False))

    assert texts(queue)[0] == "shop"


def test_nobody_is_warned_of_a_queue_of_another_project():
    *_table, queue = rows(("shop", QueueCounts(5), None))

    assert texts(queue)[0] == "shop"


def test_on_80_columns_a_name_has_19_and_a_number_14():
    _blank, _titles, queue = rows(("n" * 19, QueueCounts(10**13), True))

    assert [text.strip() for text, _style in fit_row(queue, 80)][:2] == ["n" * 19, "1" + "0" * 13]


def test_a_queue_in_json_has_these_keys():
    queue = queue_as_dict(QueueState("shop", QueueCounts(3, 2, 1, 5.5), True))

    assert queue == {
        "name": "shop",
        "waiting": 3,
        "delayed": 2,
        "leased": 1,
        "running": 0,
        "oldest_seconds": 5.5,
        "served": True,
        "paused": False,
        "paused_clusters": [],
        "limit": None,
        "held": False,
    }


@pytest.mark.parametrize(
    ("control", "told", "is_held"),
    [
        (QueueControl(), [], False),
        (QueueControl(is_paused=True), ["Queue 'shop': paused."], True),
        (
            QueueControl(paused_clusters=frozenset({"1" * 24 + "54d638f6"})),
            ["Queue 'shop': paused for cluster 54d638f6."],
            False,
        ),
        (QueueControl(limit=2), ["Queue 'shop': limit 2."], False),
        (QueueControl(limit=1), ["Queue 'shop': at its limit of 1."], True),
        (QueueControl(True, limit=0), ["Queue 'shop': paused, at its limit of 0."], True),
    ],
)
def test_what_holds_a_queue_back_is_told_below_the_table(control, told, is_held):
    state = QueueState("shop", QueueCounts(3, 2, 1), True, control)
    queue = queue_as_dict(state)

    assert [texts(row)[0] for row in queue_rows([queue])[3:]] == told
    assert queue["held"] is is_held
    assert json.loads(json.dumps(queue)) == queue
