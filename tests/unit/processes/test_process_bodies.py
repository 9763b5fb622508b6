"""Which processes a cluster has depends on its settings."""

from __future__ import annotations

import pytest

from django_q.processes.process_bodies import make_children
from django_q.processes.shared_state.slot import Slots


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({"scheduler": False}, []),
        ({"scheduler": True}, ["scheduler"]),
        ({"scheduler": False, "outbox": "default", "orm": None}, ["scheduler"]),
        ({"scheduler": False, "alerts": {"no_worker": 60}}, ["alerter"]),
    ],
)
def test_monitor_workers_and_pusher_are_in_each_cluster(conf, options, more):
    conf(**options)

    roles = [child.role for child in make_children(Slots(2))]

    assert roles == ["monitor", "worker", "worker", *more, "pusher"]


@pytest.mark.parametrize("keep_logs", [None, 100])
def test_workers_have_a_ring_for_logs_where_these_are_kept(conf, keep_logs):
    conf(keep_logs=keep_logs)

    rings = [child.log_ring for child in make_children(Slots(1)) if child.number]

    assert [ring is not None for ring in rings] == [keep_logs is not None]
