"""Keys that outlive their tasks are cleared now and then."""

from __future__ import annotations

import pytest

from django_q.scheduling import expired_keys
from django_q.scheduling.expired_keys import KeyCleanup


class Keys:
    """What stands for a broker with so many expired keys."""

    def __init__(self, count):
        self.count, self.calls = count, 0

    def clear_expired_keys(self, limit):
        self.calls += 1
        cleared = min(limit, self.count)
        self.count -= cleared
        return cleared


@pytest.mark.parametrize(("count", "rounds"), [(0, 1), (999, 1), (2500, 3)])
def test_all_expired_keys_are_cleared_in_parts(count, rounds):
    keys = Keys(count)
    cleanup = KeyCleanup(keys)

    pauses = [cleanup.run_if_due() for _ in range(rounds)]

    assert (keys.count, keys.calls) == (0, rounds)
    assert pauses[:-1] == [0] * (rounds - 1)
    assert pauses[-1] == pytest.approx(60, abs=10)


def test_keys_are_looked_for_once_a_minute(monkeypatch):
    keys = Keys(0)
    cleanup = KeyCleanup(keys)
    for _ in range(3):
        cleanup.run_if_due()
    assert keys.calls == 1

    monkeypatch.setattr(cleanup, "next_time", 0)
    cleanup.run_if_due()

    assert keys.calls == 2


@pytest.mark.parametrize("broker", ["memory", "redis"], indirect=True)
def test_a_broker_whose_keys_expire_by_themselves_has_none_to_clear(broker):
    assert KeyCleanup(broker).run_if_due() > expired_keys.KEY_CLEANUP_INTERVAL - 10


def test_rows_are_cleared_with_the_keys_in_parts():
    rows, keys = Keys(2500), Keys(0)
    cleanup = KeyCleanup(keys, rows.clear_expired_keys)

    pauses = [cleanup.run_if_due() for _ in range(3)]

    assert (rows.count, rows.calls) == (0, 3)
    assert pauses[:2] == [0, 0]
    assert pauses[2] > expired_keys.KEY_CLEANUP_INTERVAL - 10
