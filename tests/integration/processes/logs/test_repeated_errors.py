"""What goes wrong again and again is said less and less often."""

from __future__ import annotations

import logging

import pytest

from django_q.processes.logs.repeated_errors import REPEATED_LOG_SECONDS, ThrottledLog

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_goes_wrong_again_and_again_is_said_half_as_often_each_time(caplog, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("django_q.processes.logs.repeated_errors.time.monotonic", lambda: now[0])
    caplog.set_level(logging.INFO, "django-q")
    log = ThrottledLog("all is well")
    for _ in range(1000):
        log.log("disk full", "the disk is full")
        now[0] += 0.2
    assert caplog.text.count("the disk is full") == 6
    assert REPEATED_LOG_SECONDS[0] == 5

    log.log_recovery()
    log.log_recovery()

    assert caplog.text.count("all is well") == 1
    log.log("disk full", "the disk is full")
    assert caplog.text.count("the disk is full") == 7
