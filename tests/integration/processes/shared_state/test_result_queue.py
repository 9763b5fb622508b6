"""What waits to be saved, and what is not taken meanwhile."""

from __future__ import annotations

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
