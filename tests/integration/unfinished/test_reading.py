"""Tasks that have not ended: found by id, listed, and counted."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest
from django.utils import timezone as django_timezone

from django_q.brokers.memory import Memory, clear_queues
from django_q.brokers.terms import Terms
from django_q.exceptions import PackageError
from django_q.models import Task
from django_q.results import cache
from django_q.tasks import count_unfinished, fetch_unfinished, list_unfinished, queue_names
from django_q.wire.package import new_id, new_package
from tests.integration.unfinished.queued import beat, payload_of, put, run
from tests.unpickling import FolderMaker

pytestmark = pytest.mark.django_db

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


def test_a_waiting_task_is_found_with_all_that_is_known_of_it(memory):
    payload = payload_of(ONE, task_name="letters", group="mail")
    before = datetime.now(timezone.utc)
    memory.enqueue_task(payload, Terms(ONE, priority=5, expires_in=60))

    task = fetch_unfinished(ONE)

    assert (task.id, task.name, task.func, task.group) == (ONE, "letters", "shop.send", "mail")
    assert (task.state, task.queue, task.attempt, task.priority) == ("waiting", "test", 0, 5)
    assert abs(task.since - before) < timedelta(seconds=5)
    assert task.due is None
    assert abs(task.expires - before - timedelta(minutes=1)) < timedelta(seconds=5)


@pytest.mark.parametrize("task_id", [UUID(ONE), str(UUID(ONE)), str(UUID(ONE)).upper()])
def test_a_task_is_found_by_a_uuid(memory, task_id):
    put(memory, ONE)

    assert fetch_unfinished(task_id).id == ONE


@pytest.mark.parametrize("task_id", [None, b"x", [ONE]])
def test_what_can_not_be_an_id_is_refused(memory, task_id):
    with pytest.raises(PackageError, match="Expected the id"):
        fetch_unfinished(task_id)


def test_a_task_that_nobody_knows_is_not_found(memory):
    beat(memory, TWO)

    assert fetch_unfinished(ONE) is None


def test_a_delayed_task_says_when_it_is_due(memory):
    put(memory, ONE, delay=60)

    task = fetch_unfinished(ONE)

    assert task.state == "delayed"
    assert 50 < (task.due - datetime.now(timezone.utc)).total_seconds() <= 60


def test_a_leased_task_that_no_heartbeat_names_waits(memory):
    put(memory, ONE)
    memory.dequeue(wait=0)

    task = fetch_unfinished(ONE)

    assert (task.state, task.attempt, task.due) == ("waiting", 0, None)


def test_a_leased_task_that_a_heartbeat_names_runs(memory):
    put(memory, ONE)
    memory.dequeue(wait=0)
    beat(memory, TWO, ONE)

    task = fetch_unfinished(ONE)

    assert (task.state, task.attempt) == ("running", 1)


def test_a_task_whose_worker_died_waits_and_has_had_an_attempt(memory):
    put(memory, ONE)
    (delivery,) = memory.dequeue(wait=0)
    memory.release([delivery.ack_id])

    task = fetch_unfinished(ONE)

    assert (task.state, task.attempt) == ("waiting", 1)


def test_a_plain_task_is_found_while_it_runs(memory):
    memory.enqueue(payload_of(ONE))
    assert fetch_unfinished(ONE) is None
    since = time.time() - 60
    beat(memory, running=[run(ONE, group="mail", attempt=2, since=since)], queue="letters")

    task = fetch_unfinished(ONE)

    assert (task.id, task.name, task.func, task.group) == (ONE, "four-words", "shop.send", "mail")
    assert (task.state, task.queue, task.attempt) == ("running", "letters", 2)
    assert task.since.timestamp() == pytest.approx(since)
    assert fetch_unfinished(ONE, queue="letters") == task
    assert fetch_unfinished(ONE, queue="others") is None


def test_a_task_in_another_queue_is_found(memory):
    put(Memory("mail"), ONE)

    assert fetch_unfinished(ONE).queue == "mail"
    assert fetch_unfinished(ONE, queue="mail").queue == "mail"
    assert fetch_unfinished(ONE, queue="test") is None


def test_a_task_that_has_ended_is_not_unfinished(memory):
    put(memory, ONE)
    memory.dequeue(wait=0)
    beat(memory, ONE)
    save_row(ONE)

    assert fetch_unfinished(ONE) is None


def test_a_failure_that_is_run_again_is_unfinished(memory):
    put(memory, ONE)
    save_row(ONE, success=False, rerun_at=django_timezone.now())

    assert fetch_unfinished(ONE).state == "waiting"


def test_a_task_that_ends_between_the_questions_is_not_unfinished(conf):
    clear_queues()
    conf(broker_class=f"{__name__}.EndingBroker")
    put(EndingBroker(), ONE)

    assert fetch_unfinished(ONE) is None
    clear_queues()


def test_a_task_whose_result_is_in_the_cache_has_ended(memory):
    task_id = new_id()  # the cache outlives the test
    put(memory, task_id)
    now = django_timezone.now()
    ended = {"stopped": now, "success": True, "result": None, "cached": 60}
    assert fetch_unfinished(task_id)

    cache.save({**new_package("shop.send", (), {}, {}, task_id), **ended}, memory)

    assert fetch_unfinished(task_id) is None


def test_a_queue_is_listed_page_by_page(memory):
    for number in range(5):
        memory.enqueue(payload_of(str(number) * 32))

    pages = [list_unfinished(limit=2)]
    while pages[-1].next:
        pages.append(list_unfinished(after=pages[-1].next, limit=2))

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [task.id[0] for page in pages for task in page] == list("01234")


def test_each_state_is_listed_by_itself(memory):
    put(memory, ONE)
    memory.enqueue(payload_of(TWO))
    memory.dequeue(limit=2, wait=0)
    beat(memory, ONE)
    put(memory, THREE, delay=60)
    memory.enqueue(payload_of("4" * 32))

    assert ids(list_unfinished()) == [ONE, TWO, THREE, "4" * 32]
    assert ids(list_unfinished(state="running")) == [ONE]
    assert ids(list_unfinished(state="waiting")) == [TWO, "4" * 32]
    assert ids(list_unfinished(state="delayed")) == [THREE]


def test_what_clusters_hold_and_what_waits_is_listed_page_by_page(memory):
    for number in range(6):
        memory.enqueue(payload_of(str(number) * 32))
    memory.dequeue(limit=3, wait=0)
    beat(memory, "0" * 32)

    found, after = [], None
    while True:
        page = list_unfinished(state="waiting", after=after, limit=1)
        found += [task.id[0] for task in page]
        if not (after := page.next):
            break

    assert found == list("12345")


def test_another_queue_is_listed_by_its_name(memory):
    put(Memory("mail"), ONE)

    assert ids(list_unfinished("mail")) == [ONE]
    assert list_unfinished() == []
    assert list_unfinished("mail")[0].queue == "mail"


def test_a_payload_that_can_not_be_read_is_listed_as_such(memory):
    memory.enqueue("junk")
    memory.enqueue_task(b"\xff\xfe", Terms(ONE))

    nameless, tracked = list_unfinished()

    assert (nameless.id, nameless.name, nameless.func) == ("*BadSignature", "*BadSignature", "")
    assert (tracked.id, tracked.name) == (ONE, "*BadSignature")


def test_nothing_in_a_listed_payload_is_unpickled(memory, tmp_path):
    memory.enqueue(payload_of(ONE, FolderMaker(tmp_path / "unpickled")))

    assert ids(list_unfinished()) == [ONE]
    assert not (tmp_path / "unpickled").exists()


def test_a_payload_in_json_is_listed(memory, conf):
    conf(serializer="json")
    memory.enqueue(payload_of(ONE, group="mail"))

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
def test_options_that_mean_nothing_are_refused(memory, options, text):
    with pytest.raises(PackageError, match=text):
        list_unfinished(**options)


def test_the_tasks_of_a_queue_are_counted(memory):
    memory.enqueue(payload_of(ONE))
    memory.enqueue(payload_of(TWO))
    memory.dequeue(wait=0)
    put(memory, THREE, delay=60)

    counts = count_unfinished()

    assert (counts.waiting, counts.delayed, counts.leased) == (1, 1, 1)
    assert 0 <= counts.oldest < 60
    assert count_unfinished("mail") == (0, 0, 0, None)


def test_the_queues_with_tasks_are_named(memory):
    put(Memory("mail"), ONE)
    put(memory, TWO)

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
