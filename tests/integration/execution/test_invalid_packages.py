"""Packages of other producers that are signed and readable, and can not be run."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from django_q.models import Part, Task
from django_q.signals import post_execute
from django_q.signing import SignedPackage
from tests.tasks import hook, hooked

pytestmark = pytest.mark.django_db(transaction=True)

on_both = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)

GOOD = {
    "id": "a" * 32,
    "name": "by hand",
    "func": "tests.tasks.echo",
    "args": (1,),
    "kwargs": {"x": 2},
    "started": datetime(2030, 1, 1, tzinfo=timezone.utc),
}


def send(broker: Any, *without: str, **fields: Any) -> None:
    """Put a signed package on the queue, past all checks."""
    package = {key: value for key, value in {**GOOD, **fields}.items() if key not in without}
    broker.enqueue(SignedPackage.dumps(package))


INVALID = [
    {"func": 5},
    {"func": None},
    {"func": ["a"]},
    {"func": "a:b"},
    {"func": ""},
    {"timeout": "soon"},
    {"timeout": 10**400},
    {"max_attempts": -1},
    {"group": ["a"]},
    {"group": {"a": 1}},
    {"chain": [3]},
    {"chain": "tests.tasks.echo"},
    {"chain": [("f", 1, 2, 3)]},
    {"hook": 5},
    {"cached": "long"},
    {"iter_count": "many"},
    {"save": "no"},
    {"kwargs": [1]},
    {"started": None},
    {"started": "yesterday"},
    {"started": 5},
]


@on_both
@pytest.mark.parametrize("fields", INVALID)
def test_it_ends_as_a_failure_with_its_id_and_name_and_the_reason(broker, run_once, fields, conf):
    conf(ack_failures=False, max_attempts=5)  # it is as invalid the next time
    send(broker, **fields)

    run_once(broker)

    task = Task.objects.get()
    assert (task.id, task.name, task.success) == (GOOD["id"], GOOD["name"], False)
    assert task.exception == "django_q.exceptions.PackageError"
    assert "must be" in task.result
    assert broker.dead_size() == broker.queue_size() == broker.lock_size() == 0


@pytest.mark.parametrize("missing", ["id", "name", "func", "started"])
def test_what_is_missing_is_made_up(broker, run_once, missing):
    send(broker, missing)
    send(broker, missing)  # delivered twice

    run_once(broker)
    run_once(broker)

    task = Task.objects.get()
    assert (bool(task.name), len(task.id), task.success) == (True, 32, False)
    assert missing in task.result
    assert broker.dead_size() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"id": 5}, {"id": "x" * 200}, {"id": b"a"}, {"id": None}, {"name": object},
        {"name": ["a"], "func": 5}, {"started": datetime.max, "func": 5}, {"args": 5, "func": 5},
        {"started": datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), "func": 5},
    ],
)  # fmt: skip
def test_what_no_row_can_hold_is_made_up(broker, run_once, fields):
    send(broker, **fields)

    run_once(broker)

    assert Task.objects.count() == 1
    assert broker.dead_size() == broker.lock_size() == 0


def test_an_id_that_is_a_uuid_is_kept(broker, run_once):
    send(broker, id=UUID(int=5))

    run_once(broker)

    assert Task.objects.get().id == UUID(int=5).hex


def test_its_hook_is_called_and_receivers_are_told(broker, run_once):
    hooked.clear()
    told: list[dict] = []

    def listen(task: dict, **kwargs: Any) -> None:
        told.append(task)

    post_execute.connect(listen)
    send(broker, timeout="soon", hook=hook, cached=True, group=5)
    run_once(broker)
    send(broker, timeout="soon", hook=hook, group=5)
    run_once(broker)
    post_execute.disconnect(listen)

    assert [(task.id, task.success) for task in hooked] == [(GOOD["id"], False)] * 2
    assert [task["success"] for task in told] == [False] * 2
    assert Task.objects.get().group == "5"


def test_an_item_counts_as_ended(broker, run_all):
    item = {"group": "b" * 32, "iter_count": 2, "cached": True}
    send(broker, id="1", iter_position=0, **item)
    send(broker, id="2", iter_position=1, timeout="soon", **item)

    run_all(broker)

    whole = Task.objects.get()
    assert (whole.id, whole.success, whole.result[0]) == ("b" * 32, False, ((1,), {"x": 2}))
    assert "'timeout' must be" in whole.result[1]
    assert not Part.objects.exists()


def test_the_chain_behind_it_ends(broker, run_all):
    send(broker, timeout="soon", chain=["tests.tasks.echo"])

    run_all(broker)

    assert Task.objects.count() == 1


@pytest.mark.parametrize("value", [[1], "text", {}, {"a": 1}, None, 5])
def test_what_is_no_package_at_all_is_moved_aside(broker, run_once, value):
    broker.enqueue(SignedPackage.dumps(value))

    run_once(broker)

    assert not Task.objects.exists()
    assert broker.dead_size() == 1


@pytest.mark.parametrize(
    "fields",
    [{"timeout": "5"}, {"group": 5}, {"save": None}, {"ack_failure": None}, {"name": 5},
     {"args": None}, {"kwargs": None}, {"handed_back": True}, {"success": False, "result": 5},
     {"attempt": "x", "leased_until": "y", "ack_id": None}, {"hook": ""}, {"timeout": -1}],
)  # fmt: skip
def test_what_means_one_thing_is_run(broker, run_once, fields):
    send(broker, **fields)

    run_once(broker)

    task = Task.objects.get()
    assert (task.success, task.id) == (True, GOOD["id"])
    assert broker.lock_size() == broker.dead_size() == 0


def test_json_with_a_time_that_is_none_ends_as_a_failure(broker, run_once, conf):
    conf(serializer="json")
    send(broker, started="2030-13-45T00:00:00")

    run_once(broker)

    assert "started must be" in Task.objects.get().result
    assert broker.dead_size() == 0
