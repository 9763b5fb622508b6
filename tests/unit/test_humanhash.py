"""Ids in words."""

from __future__ import annotations

import time

from django_q.humanhash import humanize
from django_q.wire.package import new_id


def test_ids_of_one_time_lie_together_and_have_names_of_their_own(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)

    ids = [new_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert all(len(bytes.fromhex(task_id)) == 16 for task_id in ids)
    assert {task_id[:6] for task_id in ids} == {f"{16_000_000:06x}"}
    for words in zip(*(humanize(task_id).split("-") for task_id in ids), strict=True):
        assert len(set(words)) > 200  # of 256
