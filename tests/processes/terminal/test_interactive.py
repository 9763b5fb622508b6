"""The interactive monitor in a real terminal, with a real cluster."""

from __future__ import annotations

import pyte
import pytest

from django_q.tasks import async_task, queue
from tests.integration.admin.rows import make_failure
from tests.servers import RedisServer
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]
TABS = "1 Clusters   2 Queues   3 Running   4 Failures"


@pytest.mark.parametrize("width", [60, 80, 160])
def test_a_task_that_runs_is_seen_and_cancelled_and_a_queue_paused(
    terminal, running_cluster, broker, width
):
    cluster = running_cluster(workers=1)
    async_task("time.sleep", 600, task_name="a-long-nap", q_options={"track": True})
    monitor = terminal("qmonitor", width=width).until(TABS, "Failures 0", "Up")

    monitor.press("3")
    monitor.until("a-long-nap", "time.sleep")
    monitor.press("\r")
    monitor.until("arguments", "600")
    monitor.press("b")
    monitor.until("c cancel")
    monitor.press("c")
    monitor.until("Cancel task a-long-nap", "y/n")
    monitor.press("y")
    monitor.until("told to cancel it")
    cluster.wait_for("cancelled", timeout=60)

    monitor.press("2")
    monitor.until("Oldest", "p pause or resume")
    monitor.press("p")
    monitor.until("Pause queue test? y/n")
    monitor.press("y")
    monitor.until("Queue test is paused.")
    assert queue().control().is_paused
    monitor.until("> test")
    wait_until(lambda: any("paused" in line for line in monitor.lines()[:4]))

    monitor.press("q")
    assert monitor.exit_code() == 0
    assert pyte.modes.DECTCEM in monitor.screen.mode  # the cursor is back


def test_failures_are_resubmitted(terminal, broker):
    make_failure(func="math.copysign", args=(1, 2), fingerprint="d" * 32, exception="shop.Declined")
    monitor = terminal("qmonitor").until(TABS)

    monitor.press("4")
    monitor.until("Declined", "math.copysign")
    monitor.press("/")
    monitor.press("nothing like it\r")
    monitor.until("No failures", "/nothing like it")
    monitor.press("\x1b")
    monitor.until("Declined")
    monitor.press("r")
    monitor.until("y/n")
    monitor.press("n")
    monitor.until("Nothing was done.")
    monitor.press("r")
    monitor.press("y")

    monitor.until("1 task was resubmitted.")
    wait_until(lambda: broker.count_tasks().waiting == 1)


def test_a_server_that_goes_away_is_a_line_and_it_goes_on(terminal, conf):
    server = RedisServer().start()
    conf(redis=server.url)
    monitor = terminal("qmonitor", DJANGO_Q_TEST_REDIS_URL=server.url).until(TABS, "Queued 0")

    server.stop()
    monitor.until("Can not connect to Redis server.")
    assert "Traceback" not in monitor.text()
    server.start()

    wait_until(lambda: "Can not connect" not in monitor.text())
    monitor.press("?")
    monitor.until("only rows with these words")


def test_without_colours_it_is_drawn_all_the_same(terminal, clusters):
    monitor = terminal("qmonitor", NO_COLOR="1").until(TABS, "Working", "Failures 0")

    assert monitor.colour("Working") == ("default", "default")
    assert monitor.lines()[0].startswith(" 1 Clusters")
    assert any(line.startswith(">") for line in monitor.lines())
