"""What waits to be saved, and what is not taken meanwhile."""

from __future__ import annotations

import os

import pytest

from django_q.processes.pushing.prefetch_limit import MeasuredPrefetchLimit
from django_q.processes.shared_state.result_queue import ResultQueue, set_stuck

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_is_taken_while_the_monitor_has_nowhere_to_write():
    results = ResultQueue()
    prefetch_limit = MeasuredPrefetchLimit(
        4, idle=lambda: 4, finished=lambda: 0, backlog=lambda: 0, is_stuck=lambda: results.is_stuck
    )
    assert prefetch_limit.limit(0) == 4

    set_stuck(results, True)
    set_stuck(results, True)
    assert prefetch_limit.limit(0) == 0

    set_stuck(results, False)
    assert prefetch_limit.limit(0) == 4
    results.close()


def test_a_result_queue_that_stays_stuck_is_stuck_all_the_time(monkeypatch):
    results, seen = ResultQueue(), []
    set_stuck(results, True)
    seek = os.lseek

    def seek_and_look(*args):
        number = seek(*args)
        seen.append(seek(results.stuck.fd, 0, os.SEEK_CUR))
        return number

    monkeypatch.setattr(os, "lseek", seek_and_look)
    set_stuck(results, True)

    assert set(seen) == {1}
    results.close()
