"""Tasks that have not ended: found by id, listed, and counted."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest
from django.utils import timezone as django_timezone

from django_q.brokers import get_broker
from django_q.brokers.memory import Memory, clear_queues
from django_q.brokers.redis_broker import Redis
from django_q.brokers.terms import Terms
from django_q.exceptions import PackageError
from django_q.models import Task
from django_q.results import cache
from django_q.signing import SignedPackage
from django_q.tasks import count_unfinished, fetch_unfinished, list_unfinished, queue_names
from django_q.wire.package import new_id, new_package
from tests.integration.unfinished.queued import beat, payload_of, put, run
from tests.unpickling import FolderMaker

pytestmark = pytest.mark.django_db(transaction=True)

ONE, TWO, THREE = ("1" * 32, "2" * 32, "3" * 32)


def save_row(task_id, **values):
    """Save how a task ended."""
    now = django_timezone.now()
    fields = {"name": "n", "func": "shop.send", "started": now, "stopped": now, "success": True}
    return Task.objects.create(id=task_id, **{**fields, **values})


def ids(page):
    return [task.id for task in page]


class EndingBroker(Memory):
    """The task that is looked for ends behind the question for it."""

    def find(self, task_id):
        found = super().find(task_id)
        save_row(task_id)
        return found


def test_a_waiting_task_is_found_with_all_that_is_known_of_it(queue):
    payload = payload_of(ONE, task_name="letters", group="mail")
    before = datetime.now(timezone.utc)
    queue.enqueue_task(payload, Terms(ONE, priority=5, expires_in=60))

    task = fetch_unfinished(ONE)

    assert (task.id, task.name, task.func, task.group) == (ONE, "letters", "shop.send", "mail")
    assert (task.state, task.queue, task.attempt, task.priority) == ("waiting", "test", 0, 5)
    assert abs(task.since - before) < timedelta(seconds=5)
    assert task.due is None
    assert abs(task.expires - before - timedelta(minutes=1)) < timedelta(seconds=5)


@pytest.mark.parametrize("task_id", [UUID(ONE), str(UUID(ONE)), str(UUID(ONE)).upper()])
def test_a_task_is_found_by_a_uuid(queue, task_id):
    put(queue, ONE)

    assert fetch_unfinished(task_id).id == ONE


@pytest.mark.parametrize("task_id", [None, b"x", [ONE]])
def test_what_can_not_be_an_id_is_refused(queue, task_id):
    with pytest.raises(PackageError, match="Expected the id"):
        fetch_unfinished(task_id)


def test_a_task_that_nobody_knows_is_not_found(queue):
    beat(queue, TWO)

    assert fetch_unfinished(ONE) is None


def test_a_delayed_task_says_when_it_is_due(queue):
    put(queue, ONE, delay=60)

    task = fetch_unfinished(ONE)

    assert task.state == "delayed"
    assert 50 < (task.due - datetime.now(timezone.utc)).total_seconds() <= 60


def test_a_leased_task_that_no_heartbeat_names_waits(queue):
    put(queue, ONE)
    queue.dequeue(wait=0)

    task = fetch_unfinished(ONE)

    assert (task.state, task.attempt, task.due) == ("waiting", 0, None)


def test_a_leased_task_that_a_heartbeat_names_runs(queue):
    put(queue, ONE)
    queue.dequeue(wait=0)
    beat(queue, TWO, ONE)

    task = fetch_unfinished(ONE)

    assert (task.state, task.attempt) == ("running", 1)


def test_a_task_whose_worker_died_waits_and_has_had_an_attempt(queue):
    put(queue, ONE)
    (delivery,) = queue.dequeue(wait=0)
    queue.release([delivery.ack_id])

    task = fetch_unfinished(ONE)

    assert (task.state, task.attempt) == ("waiting", 1)


def test_a_plain_task_is_found_while_it_runs(queue):
    queue.enqueue(payload_of(ONE))
    assert fetch_unfinished(ONE) is None
    since = time.time() - 60
    beat(queue, running=[run(ONE, group="mail", attempt=2, since=since)], queue="letters")

    task = fetch_unfinished(ONE)

    assert (task.id, task.name, task.func, task.group) == (ONE, "four-words", "shop.send", "mail")
    assert (task.state, task.queue, task.attempt) == ("running", "letters", 2)
    assert task.since.timestamp() == pytest.approx(since)
    assert fetch_unfinished(ONE, queue="letters") == task
    assert fetch_unfinished(ONE, queue="others") is None


def test_a_task_in_another_queue_is_found(queue):
    put(get_broker("mail"), ONE)

    assert fetch_unfinished(ONE).queue == "mail"
    assert fetch_unfinished(ONE, queue="mail").queue == "mail"
    assert fetch_unfinished(ONE, queue="test") is None


def test_a_task_that_has_ended_is_not_unfinished(queue):
    put(queue, ONE)
    queue.dequeue(wait=0)
    beat(queue, ONE)
    save_row(ONE)

    assert fetch_unfinished(ONE) is None


def test_a_failure_that_is_run_again_is_unfinished(queue):
    put(queue, ONE)
    now = django_timezone.now()
    save_row(ONE, success=False, rerun_at=now, stopped=now)

    assert fetch_unfinished(ONE).state == "waiting"


def test_a_task_that_ends_between_the_questions_is_not_unfinished(conf):
    clear_queues()
    conf(broker_class=f"{__name__}.EndingBroker")
    put(EndingBroker(), ONE)

    assert fetch_unfinished(ONE) is None
    clear_queues()


def test_a_task_whose_result_is_in_the_cache_has_ended(queue):
    task_id = new_id()
    put(queue, task_id)
    now = django_timezone.now()
    ended = {"stopped": now, "success": True, "result": None, "cached": 60}
    assert fetch_unfinished(task_id)

    cache.save({**new_package("shop.send", (), {}, {}, task_id), **ended}, queue)

    assert fetch_unfinished(task_id) is None


def test_a_queue_is_listed_page_by_page(queue):
    for number in range(5):
        queue.enqueue(payload_of(str(number) * 32))

    pages = [list_unfinished(limit=2)]
    while pages[-1].next:
        pages.append(list_unfinished(after=pages[-1].next, limit=2))

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [task.id[0] for page in pages for task in page] == list("01234")


def test_each_state_is_listed_by_itself(queue):
    put(queue, ONE)
    queue.enqueue(payload_of(TWO))
    queue.dequeue(limit=2, wait=0)
    beat(queue, ONE)
    put(queue, THREE, delay=60)
    queue.enqueue(payload_of("4" * 32))

    assert sorted(ids(list_unfinished())) == [ONE, TWO, THREE, "4" * 32]
    assert ids(list_unfinished(state="running")) == [ONE]
    assert ids(list_unfinished(state="waiting")) == [TWO, "4" * 32]
    assert ids(list_unfinished(state="delayed")) == [THREE]


def test_what_clusters_hold_and_what_waits_is_listed_page_by_page(queue):
    for number in range(6):
        queue.enqueue(payload_of(str(number) * 32))
    queue.dequeue(limit=3, wait=0)
    beat(queue, "0" * 32)

    found, after = [], None
    while True:
        page = list_unfinished(state="waiting", after=after, limit=1)
        found += [task.id[0] for task in page]
        if not (after := page.next):
            break

    assert found == list("12345")


def test_another_queue_is_listed_by_its_name(queue):
    put(get_broker("mail"), ONE)

    assert ids(list_unfinished("mail")) == [ONE]
    assert list_unfinished() == []
    assert list_unfinished("mail")[0].queue == "mail"


def test_a_payload_that_can_not_be_read_is_listed_as_such(queue):
    queue.enqueue("junk")
    queue.enqueue_task("junk", Terms(ONE))

    tracked, nameless = sorted(list_unfinished(), key=lambda task: task.id[0] == "*")

    assert (nameless.id, nameless.name, nameless.func) == ("*BadSignature", "*BadSignature", "")
    assert (tracked.id, tracked.name) == (ONE, "*BadSignature")


def test_nothing_in_a_listed_payload_is_unpickled(queue, tmp_path):
    queue.enqueue(payload_of(ONE, FolderMaker(tmp_path / "unpickled")))

    assert ids(list_unfinished()) == [ONE]
    assert not (tmp_path / "unpickled").exists()


def test_a_payload_in_json_is_listed(queue, conf):
    conf(serializer="json")
    queue.enqueue(payload_of(ONE, group="mail"))

    (task,) = list_unfinished()

    assert (task.id, task.func, task.group) == (ONE, "shop.send", "mail")
    assert abs(task.since - datetime.now(timezone.utc)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"state": "leased"}, "'state' must be one of 'waiting', 'delayed', 'running'; got"),
        ({"limit": 0}, "'limit' must be a whole number from 1"),
        ({"limit": -1}, "'limit' must be a whole number"),
        ({"limit": "many"}, "'limit' must be a whole number"),
        ({"after": "somewhere"}, "'after' must be the .next of a page"),
        ({"after": 5}, "'after' must be the .next of a page"),
        ({"after": "1:7", "state": "delayed"}, "'after' must be the .next of a page"),
        ({"queue": "a\nb"}, "'queue' must be the name of a queue"),
    ],
)
def test_options_that_mean_nothing_are_refused(queue, options, text):
    with pytest.raises(PackageError, match=text):
        list_unfinished(**options)


def test_the_tasks_of_a_queue_are_counted(queue):
    queue.enqueue(payload_of(ONE))
    queue.enqueue(payload_of(TWO))
    queue.dequeue(wait=0)
    put(queue, THREE, delay=60)

    counts = count_unfinished()

    assert (counts.waiting, counts.delayed, counts.leased) == (1, 1, 1)
    assert 0 <= counts.oldest < 60
    assert count_unfinished("mail") == (0, 0, 0, None)


def test_the_oldest_task_that_waits_says_for_how_long(queue):
    started = datetime.now(timezone.utc) - timedelta(minutes=5)
    package = {**new_package("shop.send", (), {}, {}, ONE), "started": started}
    queue.enqueue(SignedPackage.dumps(package))
    queue.enqueue(payload_of(TWO))

    task = list_unfinished()[0]

    assert (task.id, task.since) == (ONE, started)
    if isinstance(queue, Redis):  # the others know when they got them
        assert 300 <= count_unfinished().oldest < 360


def test_an_age_that_nobody_knows_is_none(queue):
    queue.enqueue("junk")

    assert (count_unfinished().oldest is None) == isinstance(queue, Redis)


def test_the_queues_with_tasks_are_named(queue):
    put(get_broker("mail"), ONE)
    put(queue, TWO)

    assert queue_names() == ["mail", "test"]


@pytest.mark.parametrize("broker", ["custom"], indirect=True)
def test_a_broker_that_can_not_list_tells_what_it_can(broker):
    broker.enqueue(payload_of(ONE))
    beat(broker, TWO)

    assert ids(list_unfinished()) == [TWO]
    assert ids(list_unfinished(state="running")) == [TWO]
    assert list_unfinished(state="waiting") == []
    assert list_unfinished("mail") == []
    assert count_unfinished() == (1, 0, 0, None)
    assert queue_names() == ["test"]
    assert fetch_unfinished(TWO).state == "running"
    assert fetch_unfinished(ONE) is None
