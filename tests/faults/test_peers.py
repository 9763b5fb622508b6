"""django-q2 runs under the driver, so that its figures are about it and not about the driver."""

from __future__ import annotations

import os

import pytest

from tests.faults import peers
from tests.faults.rigs import KINDS
from tests.switch.shops import Unavailable

pytestmark = [pytest.mark.switch, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def python() -> str:
    """Give a Python that has django-q2; skip where that can not be, fail where ``CI`` is set."""
    try:
        return peers.peer_python()
    except Unavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in peers.BROKERS])
def test_django_q2_saves_all_where_nothing_breaks(conf, django_db_blocker, python, kind):
    conf(retry=2)

    with django_db_blocker.unblock():
        row = peers.run_one(peers.PEER, python, "nothing", kind, seed=1)

    assert row["tasks"] == 200
    # It extends no leases, so that it may repeat a task where a busy machine takes long over one.
    wrong = {key: row[key] for key in ("lost", "waiting", "without_hook") if row[key]}
    assert not wrong


def test_the_table_has_a_row_for_each_package():
    row = {"fault": "nothing", "broker": "redis", "seed": 1, "repeated": 2, "waiting": 3}
    runs = [{**row, "peer": peers.PEER, "tasks": 200, "lost": [7]}, {**row, "tasks": 0, "lost": []}]

    lines = peers.table(runs).splitlines()

    assert "     - **1** / 2 / 3 of 200" in lines
    assert lines.count("     - django_q") == 1
