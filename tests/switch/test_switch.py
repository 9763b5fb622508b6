"""The package is changed and ``migrate`` is run: all that the predecessor left goes on."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from tests.waiting import wait_until

pytestmark = [pytest.mark.switch, pytest.mark.timeout(300)]


def fetch(switched, what: str, wait: int = 60_000) -> dict:
    """Find a task that ends in time, by what is special about it."""
    task = switched.new.ask("fetch", switched.ids[what], wait=wait)
    assert task, f"'{what}' has not ended:\n{switched.cluster.log()}"
    return task


def group(switched, name: str, count: int, wait: int = 60_000) -> list:
    """List the results of a group that ends in time."""
    return switched.new.ask("result_group", switched.ids.get(name, name), count=count, wait=wait)


def wait_until_served(switched) -> None:
    """Wait until what was due is: its rows change, and one of them goes, behind their tasks."""

    def is_served() -> bool:
        now = datetime.now(timezone.utc)
        return not any(row["repeats"] for row in switched.new.rows("Schedule", next_run__lte=now))

    wait_until(is_served)


def test_what_was_done_is_found(switched):
    task = fetch(switched, "sum 2", wait=0)

    assert (task["args"], task["kwargs"], task["group"]) == ((2,), {"second": 10}, "sums")
    assert (task["result"], task["success"]) == (12, True)
    assert switched.new.ask("result", switched.ids["sum 2"]) == 12


def test_what_was_iterated_is_found(switched):
    task = fetch(switched, "iterable", wait=0)

    assert (task["args"], sorted(task["result"])) == ([(1, 1), (2, 2)], [2, 4])


def test_values_of_every_kind_are_read(switched):
    assert switched.new.ask("result", switched.ids["named"]) == (({"a": [1, None]},), {})


def test_what_was_done_is_found_by_its_name(switched):
    assert switched.new.ask("fetch", "by a name")["id"] == switched.ids["named"]


def test_what_had_failed_is_found_with_its_error(switched):
    task = fetch(switched, "refused", wait=0)

    assert not task["success"]
    assert "out of stock" in task["result"]
    assert "Traceback" in task["result"]


def test_groups_are_found(switched):
    ask = switched.new.ask

    assert sorted(ask("result_group", "sums")) == [11, 12, 13]
    assert (ask("count_group", "sums"), ask("count_group", "sums", failures=True)) == (4, 1)
    assert len(ask("fetch_group", "sums")) == 4
    assert len(ask("fetch_group", "sums", failures=False)) == 3
    assert sorted(ask("result_group", switched.ids["chain"])) == [100, 101, 102]


def test_cached_results_are_found(switched):
    ask = switched.new.ask

    assert ask("result_cached", switched.ids["cached"]) == 42
    assert sorted(ask("result_group_cached", "cached-sums")) == [1, 2]
    assert ask("count_group", "cached-sums", cached=True) == 2


def test_what_waited_is_done(switched):
    task = fetch(switched, "waiting")

    assert (task["result"], task["success"], task["attempt_count"]) == (3, True, 1)
    assert group(switched, "shelf", 1) == [3]


def test_the_hook_of_what_waited_is_called(switched):
    fetch(switched, "waiting with hook")

    wait_until(lambda: "to be rung True" in switched.shop.lines("rung"))


def test_what_waited_and_fails_is_tried_once(switched):
    task = fetch(switched, "waiting to fail")

    assert "out of stock" in task["result"]
    assert Counter(switched.shop.lines("sold"))["2"] == 1


def test_what_waited_and_takes_too_long_is_ended(switched):
    task = fetch(switched, "waiting too long")

    assert not task["success"]


def test_what_waited_for_the_cache_is_cached(switched):
    task_id = switched.ids["waiting for the cache"]

    assert switched.new.ask("result_cached", task_id, wait=60_000) == 11


def test_what_waited_and_is_not_to_be_saved_is_done(switched):
    wait_until(lambda: Counter(switched.shop.lines("sold"))["3"] == 1)

    assert switched.new.ask("fetch", switched.ids["waiting, not to be saved"]) is None


def test_a_chain_that_waited_is_done(switched):
    assert sorted(group(switched, "waiting chain", 3)) == [100, 101, 102]


def test_an_iterable_that_waited_is_collated(switched):
    task = fetch(switched, "waiting iterable")

    assert sorted(task["result"]) == [2, 4, 6]


def test_an_iterable_that_was_half_done_is_collated(switched):
    task = fetch(switched, "half iterable")

    assert sorted(task["result"]) == [2, 4, 6, 8]
    assert sorted(task["args"]) == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_what_a_dead_process_had_taken_is_done(switched):
    if not switched.is_orm:
        pytest.skip("on Redis a predecessor loses what it has taken")

    assert fetch(switched, "taken", wait=60_000)["result"] == 1
    assert Counter(switched.shop.lines("sold"))["1"] == 1


def test_schedules_that_are_due_run_once_and_go_on(switched):
    names = [f"due {kind}" for kind in switched.types]
    for name in names:
        assert group(switched, name, 1) == [((name,), {"x": [1, 2]})]

    wait_until_served(switched)
    left = {row["name"]: row["next_run"] for row in switched.new.rows("Schedule", name__in=names)}
    assert left.keys() == set(names) - {"due O"}
    assert all(next_run > datetime.now(timezone.utc) for next_run in left.values())


@pytest.mark.parametrize(("kind", "step"), [("I", timedelta(minutes=5)), ("H", timedelta(hours=1))])
def test_schedules_keep_their_times(switched, kind, step):
    name = f"due {kind}"
    wait_until_served(switched)

    [row] = switched.new.rows("Schedule", name=name)
    assert row["next_run"] == switched.schedules[name]["next_run"] + step


def test_schedules_count_the_runs_that_are_left(switched):
    wait_until_served(switched)

    rows = switched.new.rows("Schedule", name__in=["due twice more", "due once, kept"])
    assert {row["name"]: row["repeats"] for row in rows} == {
        "due twice more": 1,
        "due once, kept": 0,
    }


def test_schedules_that_are_not_due_stay_as_they_are(switched):
    wait_until_served(switched)

    for row in switched.new.rows("Schedule", name__startswith="later "):
        before = switched.schedules[row["name"]]
        assert {key: row[key] for key in before} == before
    assert switched.new.ask("count_group", "later D") == 0


def test_schedules_know_their_last_run(switched):
    [row] = switched.new.rows("Schedule", name="morning")

    assert row["task"] == switched.schedules["morning"]["task"] is not None
    assert switched.new.ask("shop.calls.ask_row", "Schedule", row["id"], "success") is True
    assert row["task"] in switched.new.ask("shop.calls.ask_row", "Schedule", row["id"], "last_run")


@pytest.mark.parametrize("name", ["success", "failure", "schedule"])
def test_the_admin_shows_every_row(switched, name):
    ask = switched.new.ask
    wait_until_served(switched)
    rows = switched.new.rows(name)
    found = ask("shop.calls.page", f"{name}_changelist")

    assert rows
    for row in rows:
        assert f"/{name}/{row['id']}/change/" in found
        assert row["func"] in ask("shop.calls.page", f"{name}_change", row["id"])


def test_the_admin_shows_what_is_queued(switched):
    if not switched.is_orm:
        pytest.skip("the queue is not in the database")

    [row] = switched.new.rows("OrmQ", key="another")
    for name in (("ormq_changelist",), ("ormq_change", row["id"])):
        assert switched.ids["in another queue"] in switched.new.ask("shop.calls.page", *name)


def test_what_had_failed_is_resubmitted_in_the_admin(switched):
    # With the ORM broker the predecessors leave it in the queue: it comes once more.
    wait_until(lambda: switched.new.ask("shop.calls.sizes") == (0, 0), interval=0.1)
    with open(switched.shop.directory / "repaired", "a") as file:
        file.write("scales\n")

    [row] = switched.new.rows("Failure", func="shop.tasks.until_repaired")
    assert switched.new.ask("shop.calls.act", "failure", "resubmit_task", [row["id"]]) == 302

    wait_until(lambda: switched.new.rows("Success", func="shop.tasks.until_repaired"))
    assert not switched.new.rows("Failure", func="shop.tasks.until_repaired")


def test_nothing_is_left_in_the_queue(switched):
    wait_until(lambda: switched.new.ask("shop.calls.sizes") == (0, 0), interval=0.1)


def test_the_checks_find_no_error(switched):
    switched.new.ask("django.core.management.call_command", "check", fail_level="ERROR")
    switched.new.ask("django.core.management.call_command", "migrate", check_unapplied=True)
