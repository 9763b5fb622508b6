"""How long leases last, and how often their holders look."""

from __future__ import annotations

import pytest

from django_q.processes import monitor
from django_q.processes.server_calls import worker_leases

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_lease_ends_before_those_look_who_hold_it():
    # As late as a task may start; then the sentinel and the monitor, who have just looked.
    assert (
        2 * worker_leases.EXTEND_INTERVAL_SHARE + 2 * monitor.RESULT_EXTEND_INTERVAL_SHARE
        < worker_leases.MIN_START_LEASE_SHARE
    )
