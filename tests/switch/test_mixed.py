"""Both packages on one database, one queue and one cache at the same time."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from tests.waiting import wait_until

pytestmark = [pytest.mark.switch, pytest.mark.timeout(300)]

VALUES = (Decimal("1.10"), date(2025, 5, 5), {"a": {1, 2}}, None, "ä", b"\x00")
#: A link of a chain in each form that there is.
LINKS = [("shop.tasks.add", (1,), {"second": 2}), ("shop.tasks.add", (10,)), "shop.tasks.echo"]

TO_OURS = [
    ("django_q2", "redis"),
    ("django_q2", "orm"),
    ("django_q2", "postgres"),
    ("django_q2", "shelf"),
    ("django_q", "redis"),
    ("django_q", "orm"),
]
#: Django Q 1.3.9 lets tasks of ours wait for ``retry`` seconds on the ORM broker.
TO_THEIRS = TO_OURS[:-1]


def send(console: Any) -> dict[str, str]:
    """Enqueue tasks of every kind; their ids."""
    ask = console.ask
    return {
        "plain": ask("async_task", "shop.tasks.add", 1, 2),
        "by keyword": ask("async_task", "shop.tasks.add", first=3, second=10),
        "values": ask("async_task", "shop.tasks.echo", *VALUES, z=VALUES),
        "function": ask("shop.calls.send_function", "add", 4, 5, hook="ring"),
        "grouped": ask("async_task", "shop.tasks.add", 6, 7, group="sums", ack_failure=True),
        "refused": ask("async_task", "shop.tasks.refuse", group="sums", ack_failure=True),
        "rung": ask("async_task", "shop.tasks.add", 8, hook="shop.tasks.ring", task_name="bell"),
        "by options": ask("async_task", "shop.tasks.add", 9, q_options={"group": "optional"}),
        "cached": ask("async_task", "shop.tasks.add", 20, 22, cached=60),
        "not saved": ask("async_task", "shop.tasks.sell", 23, save=False),
        "chain": ask("async_chain", LINKS),
    }


def read(console: Any, ids: dict[str, str]) -> dict[str, Any]:
    """Find what became of them, as this package says."""
    single = ("plain", "by keyword", "values", "function", "grouped", "rung", "by options")
    found = {name: console.ask("fetch", ids[name], wait=60_000) for name in single}
    results = {name: task and task["result"] for name, task in found.items()}
    refused = console.ask("fetch", ids["refused"], wait=60_000)
    chain = console.ask("result_group", ids["chain"], count=3, wait=60_000)
    sums = console.ask("result_group", "sums", count=2, wait=60_000)
    return {
        **results,
        "refused": (refused["success"], "out of stock" in refused["result"]),
        "cached": console.ask("result_cached", ids["cached"], wait=60_000),
        "not saved": console.ask("fetch", ids["not saved"]),
        "chain": sorted(chain, key=str),
        "sums": (sums, console.ask("count_group", "sums", failures=True)),
        "bell": console.ask("fetch", "bell")["id"] == ids["rung"],
        "optional": console.ask("result_group", "optional"),
    }


EXPECTED = {
    "plain": 3,
    "by keyword": 13,
    "values": (VALUES, {"z": VALUES}),
    "function": 9,
    "grouped": 13,
    "rung": 8,
    "by options": 9,
    "refused": (False, True),
    "cached": 42,
    "not saved": None,
    "chain": [((), {}), 10, 3],
    "sums": ([13], 1),
    "bell": True,
    "optional": [9],
}


@pytest.mark.parametrize("pair", TO_OURS, indirect=True, ids=" ".join)
def test_a_predecessor_feeds_our_cluster(pair):
    pair.shop.cluster(scheduler=False)

    ids = send(pair.old)
    items = pair.old.ask("async_iter", "shop.tasks.add", [(1, 1), (2, 2), (3, 3)])

    for console in (pair.new, pair.old):
        assert read(console, ids) == EXPECTED
        assert sorted(console.ask("result", items, wait=60_000)) == [2, 4, 6]
    wait_until(lambda: "bell True" in pair.shop.lines("rung"))
    wait_until(lambda: pair.shop.lines("sold"))
    assert Counter(pair.shop.lines("sold")) == {"23": 1}
    wait_until(lambda: pair.new.ask("shop.calls.sizes") == (0, 0))


@pytest.mark.parametrize("pair", TO_THEIRS, indirect=True, ids=" ".join)
def test_we_feed_a_cluster_of_a_predecessor(pair):
    pair.shop.cluster(pair.python, scheduler=False)

    ids = send(pair.new)
    batch = pair.new.ask("async_batch", [("shop.tasks.add", (n, 1)) for n in range(3)])

    for console in (pair.old, pair.new):
        assert read(console, ids) == EXPECTED
        assert [console.ask("result", each, wait=60_000) for each in batch] == [1, 2, 3]
    wait_until(lambda: "bell True" in pair.shop.lines("rung"))
    wait_until(lambda: pair.shop.lines("sold"))
    assert Counter(pair.shop.lines("sold")) == {"23": 1}


@pytest.mark.parametrize("pair", TO_THEIRS, indirect=True, ids=" ".join)
def test_both_clusters_work_on_one_queue(pair):
    ours = pair.shop.cluster(scheduler=False)
    theirs = pair.shop.cluster(pair.python, scheduler=False)

    ids = []
    for number in range(60):
        for console, first in ((pair.old, 0), (pair.new, 100)):
            ids.append(console.ask("async_task", "shop.tasks.sell", first + number, 0.05))

    def are_done() -> bool:
        return len(pair.new.rows("Success", func="shop.tasks.sell")) == len(ids)

    wait_until(are_done, interval=0.1)
    sold = Counter(map(int, pair.shop.lines("sold")))
    assert sold == dict.fromkeys([*range(60), *range(100, 160)], 1)
    assert {row["id"] for row in pair.old.rows("Success")} == set(ids)
    assert all("Processed" in cluster.log() for cluster in (ours, theirs))
    wait_until(lambda: pair.new.ask("shop.calls.sizes") == (0, 0))


@pytest.mark.parametrize("pair", TO_THEIRS[:2], indirect=True, ids=" ".join)
def test_a_cached_group_of_theirs_is_read_by_us(pair):
    pair.shop.cluster(pair.python, scheduler=False)

    for number in range(3):
        pair.new.ask("async_task", "shop.tasks.add", number, group="cached-sums", cached=60)

    def results(console: Any) -> list:
        return sorted(console.ask("result_group", "cached-sums", cached=True) or ())

    wait_until(lambda: results(pair.new) == [0, 1, 2])
    assert results(pair.old) == [0, 1, 2]


@pytest.mark.parametrize("pair", TO_THEIRS[:2], indirect=True, ids=" ".join)
def test_a_cluster_of_theirs_runs_each_item_of_an_iterable_of_ours(pair):
    pair.shop.cluster(pair.python, scheduler=False)

    pair.new.ask("async_iter", "shop.tasks.sell", [1, 2, 3])

    wait_until(lambda: sorted(pair.shop.lines("sold")) == ["1", "2", "3"])


@pytest.mark.parametrize("pair", TO_THEIRS, indirect=True, ids=" ".join)
def test_a_schedule_is_run_by_either(pair):
    due = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(minutes=1)
    options = {"schedule_type": "I", "minutes": 10, "next_run": due, "hook": "shop.tasks.ring"}
    pair.new.ask("schedule", "shop.tasks.add", 1, name="ours", time_zone="Asia/Tokyo", **options)
    theirs = pair.shop.cluster(pair.python, scheduler=False)
    pair.old.ask(pair.scheduler)
    assert pair.new.ask("result_group", "ours", count=1, wait=60_000) == [1]
    theirs.stop()
    [row] = pair.new.rows("Schedule")
    assert (row["next_run"] - due, row["time_zone"]) == (timedelta(minutes=10), "Asia/Tokyo")

    pair.old.ask("schedule", "shop.tasks.add", 2, name="theirs", **options)
    pair.old.ask("shop.calls.change", "Schedule", row["id"], next_run=due)
    pair.shop.cluster()

    assert pair.old.ask("result_group", "theirs", count=1, wait=60_000) == [2]
    assert pair.old.ask("result_group", "ours", count=2, wait=60_000) == [1, 1]
    wait_until(lambda: steps(pair, due) == {timedelta(minutes=10)})


def steps(pair, due: datetime) -> set[timedelta]:
    """Tell how far the schedules were moved from when they were due: behind their tasks."""
    return {row["next_run"] - due for row in pair.old.rows("Schedule")}


@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "theirs"])
@pytest.mark.parametrize("pair", TO_OURS[:1], indirect=True, ids=" ".join)
def test_the_time_limit_of_a_task_holds_on_either(pair, is_ours):
    sender = pair.old if is_ours else pair.new
    pair.shop.cluster(sys.executable if is_ours else pair.python, scheduler=False)

    task_id = sender.ask("async_task", "shop.tasks.sleep_for", 9, timeout=1, ack_failure=True)

    for console in (pair.old, pair.new):
        assert console.ask("fetch", task_id, wait=60_000)["success"] is False


@pytest.mark.parametrize("pair", [("django_q2", "redis")], indirect=True, ids=" ".join)
def test_theirs_see_our_cluster(pair):
    pair.shop.cluster(scheduler=False)

    def idle(console: Any) -> list[dict]:
        return [stat for stat in console.ask("shop.calls.stats") if stat["status"] == "Idle"]

    wait_until(lambda: idle(pair.new) and idle(pair.old), interval=0.1)
    [ours], [theirs] = idle(pair.new), idle(pair.old)
    shared = ("cluster_id", "pid", "host", "sentinel", "monitor", "pusher", "workers", "tob")
    assert {name: theirs[name] for name in shared} == {name: ours[name] for name in shared}


@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "theirs"])
@pytest.mark.parametrize("pair", TO_THEIRS[:2], indirect=True, ids=" ".join)
def test_a_named_cluster_takes_what_is_sent_to_it(pair, is_ours):
    sender = pair.old if is_ours else pair.new
    python = sys.executable if is_ours else pair.python
    pair.shop.cluster(python, name="express", scheduler=False, ALT_CLUSTERS={"express": {}})

    plain = sender.ask("async_task", "shop.tasks.add", 1, 2)
    express = sender.ask("async_task", "shop.tasks.add", 3, 4, cluster="express")

    for console in (pair.old, pair.new):
        task = console.ask("fetch", express, wait=60_000)
        assert (task["result"], task["cluster"]) == (7, "express")
    assert pair.new.ask("fetch", plain) is None
    assert pair.new.ask("shop.calls.sizes") == (1, 0)
