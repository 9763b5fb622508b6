"""Jobs of RQ's own cron scheduler, imported while django-rq runs it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from django_q.models import Schedule
from tests import servers
from tests.importing.runs import qimport
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

CLEAN_UP = "tests.importing.shop.jobs.clean_up"


@pytest.fixture
def url():
    """The address of a server of its own, on which django-rq runs its schedules."""
    from redis import Redis

    server = servers.RedisServer().start()
    url = f"redis://127.0.0.1:{server.port}/0"
    command = [sys.executable, "-m", "django", "rqcron", "tests.importing.shop.cron_jobs"]
    with (
        subprocess.Popen(command, env={**os.environ, "DJANGO_Q_TEST_RQ_URL": url}) as scheduler,
        Redis.from_url(url) as client,
    ):
        # What repeats is enqueued at once: then it is known when it comes next.
        wait_until(lambda: client.llen("rq:queue:default") == 3 and latest_is_kept(client))
        yield url
        scheduler.terminate()
    server.stop()


def latest_is_kept(client):
    """Tell whether the scheduler has kept when it has enqueued its jobs."""
    return any(b"latest_enqueue_time" in client.hgetall(key)[b"cron_jobs"] for key in kept(client))


def kept(client):
    """List the keys of the schedulers."""
    return [key for key in client.keys("rq:cron_scheduler:*") if client.type(key) == b"hash"]


def test_jobs_of_rqs_cron_scheduler(url):
    told = qimport("rq-cron", "--redis", url)

    assert "odd: left out: an interval of 90 seconds" in told
    assert "a-date: left out: RQ keeps no arguments that JSON does not have" in told
    night = Schedule.objects.get(name="each-night")
    assert (night.func, night.cron, night.args) == (CLEAN_UP, "0 3 * * *", "(7,)")
    often = Schedule.objects.get(name=CLEAN_UP)
    assert (often.minutes, often.cluster) == (10, "mail")
    assert often.kwargs == "{'days': 2, 'q_options': {'timeout': 30}}"
    hourly = Schedule.objects.get(name=f"{CLEAN_UP} every 3600 s")
    assert hourly.minutes == 60
    assert hourly.next_run > often.next_run
    assert "5 schedules were found." in told
