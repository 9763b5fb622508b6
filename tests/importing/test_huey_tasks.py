"""Periodic tasks of huey, imported from its own registry."""

from __future__ import annotations

import pytest

from django_q.models import Schedule
from tests.importing.runs import qimport

pytestmark = pytest.mark.django_db


def test_periodic_tasks_of_huey():
    told = qimport("huey")

    schedule = Schedule.objects.get(name="tests.importing.shop.tasks.poll")
    assert schedule.cron == "0,15,30,45 9,10,11,12,13,14,15,16,17 * * 1,2,3,4,5"
    assert "remove huey's decorator" in told
    assert "tasks.odd: left out: its rule is no cron expression" in told
