"""The time limit on calls to servers."""

from __future__ import annotations

import threading

import pytest

from django_q.exceptions import BrokerUnavailable
from django_q.processes.server_calls.call_timeout import CallTimeout
from tests.waiting import DEADLINE


def wait_twice() -> None:
    """Wait, and once more when that was interrupted."""
    with pytest.raises(BrokerUnavailable):
        threading.Event().wait(DEADLINE)
    threading.Event().wait(DEADLINE)
    pytest.fail("nothing has interrupted the second wait")


def test_code_that_catches_the_error_and_waits_again_is_interrupted_again():
    with pytest.raises(BrokerUnavailable), CallTimeout(0.05):
        wait_twice()
