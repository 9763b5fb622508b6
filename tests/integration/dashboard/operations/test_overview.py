"""The overview: the same truth as qinfo tells, for each broker, and while one is away."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_q.brokers.broker_cache import cached_broker
from django_q.conf import Conf
from django_q.dashboard.figures import failure_kinds as kinds
from django_q.exceptions import BrokerUnavailable
from django_q.orders.steering import queue
from django_q.tasks import async_task, schedule
from tests.heartbeats import make_stat
from tests.integration.admin.pages import text
from tests.integration.admin.rows import make_failure, make_task
from tests.integration.dashboard.visits import log_in, page_url
from tests.integration.unfinished.queued import run

pytestmark = pytest.mark.django_db(transaction=True)

MULTIPLY = "tests.tasks.multiply"


def overview(client) -> str:
    """Read the overview."""
    response = client.get(page_url("overview"))
    assert response.status_code == 200
    return text(response)


def make_failures(number: int, **values) -> None:
    """Save failures that have just ended."""
    now = timezone.now()
    for index in range(number):
        make_failure(stopped=now - timedelta(seconds=index), **values)


@pytest.mark.parametrize("kind", ["memory", "redis", "orm"])
def test_queues_clusters_and_running_tasks_are_shown(admin_client, make_broker, kind):
    broker = make_broker(kind)
    async_task(MULTIPLY, 2, 3, q_options={"priority": 1})
    async_task(MULTIPLY, 2, 3, cluster="lost")
    queue("lost").limit(3)
    runs = [run("a" * 32, done=250, total=1000, note="page 3")]
    make_stat(status=Conf.WORKING, running=runs, reincarnations=2, pool_size=4).save(broker)

    shown = overview(admin_client)

    assert "test 1 0 1" in shown
    assert "Served" in shown
    assert "lost 1 0 0" in shown
    assert "No cluster serves this queue" in shown
    assert "limit 3" in shown
    assert "Working 1 / 4 1 2" in shown
    assert "four-words shop.send test ant:7" in shown
    assert "250/1000 25% page 3" in shown
    queue("lost").limit(None)


@pytest.mark.parametrize("kind", ["sqs", "custom"])
def test_a_broker_that_lists_nothing_shows_what_is_known(admin_client, make_broker, kind):
    broker = make_broker(kind)  # whose queue is made anew
    cached_broker.cache_clear()
    make_stat(status=Conf.WORKING, running=[run("a" * 32)]).save(broker)

    shown = overview(admin_client)

    assert "four-words shop.send" in shown
    assert "test ? ? 1 -" in shown
    assert "Orders" not in shown


def test_a_queue_is_paused_and_resumed_where_it_is_shown(client, make_broker):
    make_broker("memory")
    log_in(client, "view_ormq", "pause_queue")

    client.post(page_url("overview"), {"action": "pause", "queue": "test"})
    paused = queue("test").control().is_paused
    shown = overview(client)
    client.post(page_url("overview"), {"action": "resume", "queue": "test"})

    assert paused
    assert "paused Not served Resume test" in shown
    assert not queue("test").control().is_paused


def test_who_may_not_pause_has_no_button_and_can_not_order_it(client, make_broker):
    make_broker("memory")
    log_in(client, "view_ormq", "limit_queue")

    assert "Pause" not in overview(client)
    answer = client.post(page_url("overview"), {"action": "pause", "queue": "test"})

    assert answer.status_code == 403
    assert not queue("test").control().is_paused


def test_failures_of_the_hour_are_shown_by_kind(admin_client, make_broker):
    make_broker("memory")
    make_failures(3, fingerprint="f" * 32, exception="shop.errors.NoMoney", func="shop.pay")
    make_failures(1, fingerprint="e" * 32, exception="builtins.KeyError", func="shop.find")
    make_failure(exception="builtins.OSError")  # long ago

    shown = overview(admin_client)

    assert "NoMoney shop.pay 3" in shown
    assert "KeyError shop.find 1" in shown
    assert "Failures in an hour 4" in shown
    assert "OSError" not in shown


def test_no_more_failures_are_read_than_a_fixed_number(make_broker, monkeypatch):
    monkeypatch.setattr(kinds, "MAX_READ_FAILURES", 2)
    make_failures(3, exception="builtins.KeyError")

    found = kinds.failure_kinds(timezone.now())

    assert (found.count, found.is_cut, found.shown[0].kind.count) == (2, True, 2)


def test_the_rate_of_a_queue_is_that_of_the_last_minute(admin_client, make_broker):
    make_stat().save(make_broker("memory"))
    make_task(stopped=timezone.now(), cluster="test")
    make_failures(2, cluster="test")
    make_task(cluster="test")  # long ago

    assert "test 0 0 0 - 3 Served" in overview(admin_client)


def test_a_section_is_shown_to_those_who_may_view_it(client, make_broker):
    make_broker("memory")
    schedule(MULTIPLY, 2, 3, name="nightly", schedule_type="D")
    log_in(client, "view_schedule")

    shown = overview(client)

    assert "nightly" in shown
    assert "Clusters" not in shown
    assert "Failures" not in shown


def test_a_broker_that_is_away_hides_no_other_section(admin_client, make_broker, monkeypatch):
    broker = make_broker("memory")
    schedule(MULTIPLY, 2, 3, name="nightly", schedule_type="D")

    def fail(self, *args):
        raise BrokerUnavailable("Nobody answers on port 1.")

    monkeypatch.setattr(type(broker), "get_stats", fail)

    shown = overview(admin_client)

    assert "This can not be read:" in shown
    assert "Nobody answers on port 1." in shown
    assert "nightly" in shown


def test_dead_letters_are_told(admin_client, make_broker):
    broker = make_broker("redis")
    broker.enqueue("rubbish")
    (delivery,) = broker.dequeue()
    broker.move_to_dead_letters(delivery.ack_id, delivery.payload)

    assert "1 package could not be decoded and was put aside." in overview(admin_client)


def test_more_rows_cost_no_more_queries(admin_client, make_broker):
    make_broker("memory")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            overview(admin_client)
        return len(captured)

    few = queries()
    make_failures(20, fingerprint="f" * 32, exception="shop.errors.NoMoney")
    for number in range(20):
        schedule(MULTIPLY, 2, 3, name=str(number), schedule_type="D")

    assert queries() == few


@pytest.mark.parametrize("task_id", ["a" * 32, "of/another producer", ""])
def test_a_task_that_runs_is_a_link_to_its_page(admin_client, make_broker, task_id):
    broker = make_broker("memory")
    make_stat(status=Conf.WORKING, running=[run(task_id)]).save(broker)

    page = admin_client.get(page_url("overview")).content.decode()

    assert "four-words" in page
    is_linked = f'href="{page_url("task", "a" * 32)}"' in page
    assert is_linked == (task_id == "a" * 32)
