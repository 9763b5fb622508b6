"""Nothing accepted is lost, whatever breaks: each fault, on each broker, at random instants."""

from __future__ import annotations

import pytest

from tests.faults.faults import FAULTS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


def test_nothing_is_lost(make_run, judge, fault_name, kind, seed):
    fault = FAULTS[fault_name]
    run = make_run(kind, seed, fault.on_small_disk)
    if fault.prepare:
        fault.prepare(run)
    run.start_cluster(**fault.options)
    run.produce()
    run.begin()

    fault.inject(run)

    judge(run, fault_name, kind, seed)
