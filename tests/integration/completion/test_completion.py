"""Results that can not be completed as they are: each ends, and no success becomes a failure."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from django.dispatch import receiver

from django_q import async_iter, fetch, result
from django_q.brokers.redis_broker import Redis
from django_q.completion import collation
from django_q.models import Part, Schedule, Success, Task
from django_q.processes import monitor as monitor_module
from django_q.results import saving
from django_q.signals import pre_execute
from django_q.signing import SignedPackage
from tests.integration.brokers.orm.databases import SQLITE
from tests.integration.results.finished_packages import finished

pytestmark = pytest.mark.django_db(transaction=True)

on_each = pytest.mark.parametrize("broker", ["redis", SQLITE], indirect=True)
hooked: list[Task] = []


def hook(task: Task) -> None:
    hooked.append(task)


class Odd:
    """A value that is neither true nor false, and has no text."""

    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")

    def __str__(self) -> str:
        raise ValueError("no text")

    __hash__ = None


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, conf: Any) -> None:
    conf(bulk=20)  # taken, and completed, together
    monkeypatch.setattr(monitor_module, "COMPLETION_BACKOFF_SECONDS", (0.01, 0.02))
    hooked.clear()


#: What a receiver of ``pre_execute`` makes of a package that was in order when it came, by its id.
ODD: dict[str, dict[str, Any]] = {}


@receiver(pre_execute, dispatch_uid=__name__)
def make_odd(task: dict[str, Any], **kwargs: Any) -> None:
    task.update(ODD.get(task["id"], {}))


def package(**values: Any) -> dict[str, Any]:
    """Make a package, of which a receiver changes options that nobody would take."""
    made = finished(**{key: values.pop(key) for key in ("func", "args") if key in values})
    for key in ("hook", "max_attempts", "save"):
        if type(values.get(key)) in (str, bool) or key == "max_attempts" in values:
            made[key] = values.pop(key)
    ODD[made["id"]] = values
    return {key: made[key] for key in made if key not in ("result", "success", "stopped")}


def send(broker: Any, *packages: dict[str, Any]) -> None:
    for each in packages:
        broker.enqueue(SignedPackage.dumps(each))


@on_each
@pytest.mark.parametrize(
    "options",
    [
        {"group": ["a"]},
        {"group": {"a": 1}},
        {"group": Odd()},
        {"group": 5},
        {"group": "nul\0led"},
        {"cluster": {"a": "b"}},
        {"cluster": 7},
        {"cluster": "x" * 200},
        {"name": None},
        {"name": ["a"]},
        {"hook": 3},
        {"hook": ["tests.tasks.hook"]},
        {"hook": ""},
        {"hook": "no.such.hook"},
        {"save": Odd()},
        {"cached": Odd(), "save": True},
        {"ack_failure": Odd()},
        {"schedule": {"a": 1}},
        {"schedule": "x"},
        {"schedule": Odd()},
        {"iter_count": 1, "group": 5},
        {"iter_count": 1, "group": ["a"]},
        {"iter_count": 1, "group": "nul\0led"},
        {"chain": 3},
        {"chain": [3]},
        {"chain": [("math.floor", (1.5,), {}, 4, 5)]},
        {"chain": [["math.floor", (1.5,), 3]]},
        {"chain": ["math.floor"], "chain_options": 7},
        {"chain": Odd()},
        {"started": datetime.min},
        {"started": datetime.max.replace(tzinfo=timezone.utc)},
    ],
    ids=lambda options: "-".join(f"{key}_{type(options[key]).__name__}" for key in options),
)
def test_a_success_stays_one_whatever_its_options_are(broker, run_once, options):
    good, odd = package(), package(func="tests.tasks.multiply", **options)
    send(broker, odd, good)

    run_once(broker)

    assert broker.lock_size() == broker.queue_size() == 0
    assert result(good["id"]) == 6
    if "cached" in options:
        assert fetch(odd["id"], cached=True).result == 6
        return
    assert (result(odd["id"]), fetch(odd["id"]).success) == (6, True)


@on_each
@pytest.mark.parametrize(
    "chain", [[3], [("math.floor", (1.5,), {}, 4)], [("math.floor", (1.5,), 3)]], ids=str
)
@pytest.mark.parametrize("save", [True, False])
def test_the_row_names_what_could_not_be_done_after_a_success(
    broker, run_once, caplog, chain, save
):
    task = package(chain=chain, hook="tests.integration.completion.test_completion.hook", save=save)
    send(broker, task)

    run_once(broker)

    row = Success.objects.get(id=task["id"])
    assert (row.result, row.hook_name) == (6, "tests.integration.completion.test_completion.hook")
    assert row.undone.startswith("the next link: ")
    assert len(hooked) == 1
    assert Task.objects.count() == 1
    assert broker.lock_size() == 0
    assert caplog.text.count("the next link: ") == 1


def test_a_row_without_a_hook_has_none_beside_what_could_not_be_done(broker, run_once):
    task = package(chain=[3])
    send(broker, task)

    run_once(broker)

    row = Task.objects.get(id=task["id"])
    assert row.hook_name is None
    assert "3" in row.undone


def test_what_works_is_done_once_although_something_else_in_its_group_fails(broker, run_once):
    good = package(chain=["math.tau.hex"], hook="tests.integration.completion.test_completion.hook")
    send(broker, good, package(chain=[3]), package(), package(schedule="x"))

    run_once(broker)

    assert [task.id for task in hooked] == [good["id"]]
    assert broker.queue_size() == 1  # the link
    assert Success.objects.count() == 4


def test_hooks_and_links_are_not_repeated_while_a_store_is_away(broker, run_once, monkeypatch):
    outages = iter(range(3))
    acknowledge = Redis.acknowledge_many

    def away(self: Redis, receipts: Any) -> Any:
        if next(outages, None) is not None:
            raise ConnectionError("away")
        return acknowledge(self, receipts)

    monkeypatch.setattr(Redis, "acknowledge_many", away)
    monkeypatch.setattr(Redis, "enqueue_once", lambda self, payload, key: self.enqueue(payload))
    send(
        broker,
        package(chain=["math.floor"], hook="tests.integration.completion.test_completion.hook"),
    )

    run_once(broker)

    assert len(hooked) == 1
    assert broker.queue_size() == 1
    assert broker.lock_size() == 0


def test_a_receiver_that_sets_options_of_its_own_costs_no_success(broker, run_once):
    """What ``post_save`` of a schedule's row raises is such a reason."""
    schedule = Schedule.objects.create(func="math.floor")
    task = package(schedule=schedule.pk)
    send(broker, task)

    run_once(broker)

    schedule.refresh_from_db()
    assert schedule.ended == task["id"]


def test_an_item_that_can_not_be_kept_in_its_place_is_collated_all_the_same(broker, run_once):
    iterable = async_iter(
        "math.floor", [1.5, 2.5, 3.5], hook="tests.integration.completion.test_completion.hook"
    )
    for delivery in broker.dequeue(9, wait=0):
        item = SignedPackage.loads(delivery.payload)
        if item["iter_position"] == 1:
            ODD[item["id"]] = {"iter_position": "x"}
        send(broker, item)
        broker.acknowledge(delivery.ack_id)

    run_once(broker)

    assert [each for each in result(iterable) if isinstance(each, int)] == [1, 3]
    assert len(result(iterable)) == 3
    assert len(hooked) == 1
    assert Part.objects.count() == broker.lock_size() == 0


@pytest.mark.parametrize("name", [["a"], Odd(), 5])
def test_a_whole_with_odd_labels_is_collated(broker, run_once, name):
    iterable = async_iter("math.floor", [1.5, 2.5])
    for delivery in broker.dequeue(9, wait=0):
        item = SignedPackage.loads(delivery.payload)
        ODD[item["id"]] = {"iter_name": name, "iter_group": name}
        send(broker, item)
        broker.acknowledge(delivery.ack_id)

    run_once(broker)

    assert result(iterable) == [1, 2]
    assert broker.lock_size() == 0


@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit])
def test_a_whole_that_can_not_be_put_together_ends_as_a_failure(
    broker, run_once, monkeypatch, kind
):
    iterable = async_iter(
        "math.floor", [1.5, 2.5], hook="tests.integration.completion.test_completion.hook"
    )

    def fail(part: Part) -> None:
        raise kind("as asked")

    monkeypatch.setattr(collation, "item_argument", fail)

    run_once(broker)

    assert fetch(iterable).success is False
    assert f"can not be put together: {kind.__name__}" in fetch(iterable).result
    assert fetch(iterable).exception == kind.__name__
    assert len(hooked) == 1
    assert Part.objects.count() == broker.lock_size() == 0


def test_a_receipt_that_can_not_be_acknowledged_keeps_no_other(broker, run_once, monkeypatch):
    acknowledge = Redis.acknowledge_many
    bad: list[Any] = []

    def refuse(self: Redis, receipts: Any) -> Any:
        receipts = list(receipts)
        bad.append(receipts[0])
        if bad[0] in receipts:
            raise TypeError("no such receipt")
        return acknowledge(self, receipts)

    monkeypatch.setattr(Redis, "acknowledge_many", refuse)
    ids = [package() for _ in range(3)]
    send(broker, *ids)

    run_once(broker)

    assert Success.objects.count() == 3
    assert broker.lock_size() == 1


def test_a_row_that_no_version_can_save_ends_its_task(broker, run_once, monkeypatch, caplog):
    insert = saving.insert

    def refuse(rows: Any, alias: str) -> None:
        if any(row["name"] == "bad" for row in rows):
            raise RuntimeError("no such row")
        insert(rows, alias)

    monkeypatch.setattr(saving, "insert", refuse)
    send(broker, package(name="bad"), package())

    run_once(broker)

    assert Success.objects.count() == 1
    assert broker.lock_size() == 0
    assert "saving: RuntimeError: no such row" in caplog.text


def test_a_failure_may_have_been_the_last_of_its_attempts(broker, run_once):
    task = package(func="tests.tasks.raise_error", args=(), max_attempts=1, chain=[3], group=["a"])
    send(broker, task)

    run_once(broker)

    assert fetch(task["id"]).success is False
    assert broker.lock_size() == broker.queue_size() == 0
