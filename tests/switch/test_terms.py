"""Tasks with terms, on a queue from which a cluster of a predecessor takes beside ours."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.switch.test_mixed import TO_THEIRS
from tests.waiting import wait_until

pytestmark = [pytest.mark.switch, pytest.mark.timeout(300)]

#: Tasks of each kind.
COUNT = 30
KEYS = [f"{number:032}" for number in range(COUNT)]


def send_mixed(pair):
    """Enqueue plain tasks of both packages, and such with terms; their ids."""
    ids = []
    for number, key in enumerate(KEYS):
        for console, first in ((pair.old, 0), (pair.new, 100)):
            ids.append(console.ask("async_task", "shop.tasks.sell", first + number, 0.02))
        for first, terms in (
            (200, {"priority": 1 + number}),
            (300, {"priority": -1, "expires_in": 600}),
            (400, {"delay": number / 10}),
            (500, {"unique": key}),
        ):
            ids.append(pair.new.ask("shop.calls.sell_with_terms", first + number, 0.02, **terms))
    return ids


@pytest.mark.parametrize("pair", TO_THEIRS[:3], indirect=True, ids=" ".join)
def test_tasks_with_terms_are_run_once_beside_a_cluster_of_theirs(pair):
    ours = pair.shop.cluster(scheduler=False)
    theirs = pair.shop.cluster(pair.python, scheduler=False)

    ids = send_mixed(pair)

    wait_until(
        lambda: len(pair.new.rows("Success", func="shop.tasks.sell")) == len(ids), interval=0.1
    )
    sold = Counter(map(int, pair.shop.lines("sold")))
    numbers = [first + number for first in range(0, 600, 100) for number in range(COUNT)]
    assert sold == dict.fromkeys(numbers, 1)
    assert {row["id"] for row in pair.old.rows("Success")} == set(ids)
    assert all("Processed" in cluster.log() for cluster in (ours, theirs))
    wait_until(lambda: pair.new.ask("shop.calls.sizes") == (0, 0))
    assert pair.new.ask("shop.calls.names_left", ids, KEYS) == []


@pytest.mark.parametrize("pair", TO_THEIRS[:3], indirect=True, ids=" ".join)
def test_tasks_with_terms_are_run_when_a_cluster_of_theirs_has_stopped(pair):
    theirs = pair.shop.cluster(pair.python, scheduler=False)
    ids = send_mixed(pair)
    theirs.stop()

    pair.shop.cluster(scheduler=False)

    wait_until(
        lambda: len(pair.new.rows("Success", func="shop.tasks.sell")) == len(ids), interval=0.1
    )
    assert pair.new.ask("shop.calls.names_left", ids, KEYS) == []
