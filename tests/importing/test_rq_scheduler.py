"""Jobs of RQ Scheduler, imported from its own package."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from django_q.models import Schedule
from tests import servers
from tests.importing.runs import qimport

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:Version 0.22:FutureWarning"),  # of a package below RQ's
]

CLEAN_UP = "tests.importing.shop.jobs.clean_up"


@pytest.fixture
def scheduler():
    """RQ Scheduler on a server of its own."""
    from redis import Redis
    from rq_scheduler import Scheduler

    server = servers.RedisServer().start()
    url = f"redis://127.0.0.1:{server.port}/0"
    yield Scheduler(connection=Redis.from_url(url)), url
    server.stop()


def test_jobs_of_rq_scheduler(scheduler):
    jobs, url = scheduler
    moment = datetime(2040, 1, 1, 12)
    jobs.cron("0 3 * * *", func=CLEAN_UP, args=[7], id="each-night", queue_name="default")
    jobs.schedule(moment, CLEAN_UP, interval=600, repeat=3, id="four-times", timeout=30)
    jobs.schedule(moment, CLEAN_UP, interval=90, id="odd")
    jobs.enqueue_at(moment, CLEAN_UP, days=2)

    told = qimport("rq-scheduler", "--redis", url)

    assert "odd: left out: an interval of 90 seconds" in told
    night = Schedule.objects.get(name="each-night")
    assert (night.func, night.cron, night.time_zone) == (CLEAN_UP, "0 3 * * *", "UTC")
    four = Schedule.objects.get(name="four-times")
    assert (four.minutes, four.repeats) == (10, 4)
    assert four.next_run == moment.replace(tzinfo=timezone.utc)
    once = Schedule.objects.get(schedule_type=Schedule.ONCE)
    assert once.name.startswith(f"{CLEAN_UP} ")
