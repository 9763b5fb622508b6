"""Loops that are interrupted go on where they were: nothing skipped, nothing done twice."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from django_q.exceptions import TaskCancelled, TaskStopped
from django_q.foreign_code.guards import run_coroutine
from django_q.task_state.cancellation import task_key
from django_q.tasks import current_task

pytestmark = pytest.mark.django_db(transaction=True)


def make_groups(count):
    """Make rows; their keys."""
    return [Group.objects.create(name=f"group {number}").pk for number in range(count)]


def interrupted_after(items, count, **options):
    """Take so many items, and die while the last is worked on; what was taken."""
    taken = []
    for item in current_task.iterate(items, **options):
        taken.append(item)
        if len(taken) == count:
            break
    return taken


def test_a_loop_goes_on_at_the_item_that_was_not_done(begin):
    run = begin()
    assert interrupted_after("abcdef", 3) == ["a", "b", "c"]

    begin(position=run.confirmed_position)

    assert list(current_task.iterate("abcdef")) == ["c", "d", "e", "f"]


def test_a_loop_that_was_finished_is_not_run_again_and_the_next_goes_on(begin):
    run = begin()
    assert list(current_task.iterate("ab")) == ["a", "b"]
    assert interrupted_after("cde", 2) == ["c", "d"]

    begin(position=run.confirmed_position)

    assert list(current_task.iterate("ab")) == []
    assert list(current_task.iterate("cde")) == ["d", "e"]


def test_lists_of_items_are_done_as_a_whole(begin):
    run = begin()
    assert interrupted_after(range(7), 2, batch=3) == [[0, 1, 2], [3, 4, 5]]

    begin(position=run.confirmed_position)

    assert list(current_task.iterate(range(7), batch=3)) == [[3, 4, 5], [6]]


@pytest.mark.parametrize("batch", [None, 2])
def test_rows_that_come_and_go_do_not_shift_a_loop(begin, batch):
    keys = make_groups(6)
    run = begin()
    interrupted_after(Group.objects, 3 if batch is None else 2, batch=batch)
    Group.objects.filter(pk__in=keys[:2]).delete()
    Group.objects.create(pk=keys[0], name="before the rest")
    added = make_groups_after(keys)

    begin(position=run.confirmed_position)
    rest = list(current_task.iterate(Group.objects.all(), batch=batch))

    found = [group.pk for each in rest for group in (each if batch else [each])]
    assert found == [*keys[2:], added]


def make_groups_after(keys):
    """Make a row behind all others; its key."""
    return Group.objects.create(pk=keys[-1] + 1, name="after the rest").pk


def test_a_row_that_the_task_deletes_is_done_all_the_same(begin):
    keys = make_groups(4)
    run = begin()
    for group in current_task.iterate(Group.objects.all()):
        if group.pk == keys[2]:
            break
        group.delete()

    begin(position=run.confirmed_position)

    assert [group.pk for group in current_task.iterate(Group.objects.all())] == keys[2:]


def test_a_position_is_confirmed_when_the_transaction_commits(begin):
    run = begin()
    with transaction.atomic():
        interrupted_after("abcd", 3)
        assert run.confirmed_position == {}

    assert run.confirmed_position == {"0": [2]}


def test_a_position_is_not_confirmed_where_the_transaction_is_rolled_back(begin):
    run = begin()
    with suppress(ZeroDivisionError), transaction.atomic():
        interrupted_after("abcd", 3)
        raise ZeroDivisionError

    assert run.confirmed_position == {}


def test_a_position_goes_with_the_savepoint_in_which_its_item_was_done(begin):
    run = begin()
    with transaction.atomic():
        with suppress(ZeroDivisionError), transaction.atomic():
            interrupted_after("abcd", 3)
            raise ZeroDivisionError
        interrupted_after("efgh", 2)

    assert run.confirmed_position == {"1": [1]}


def test_a_loop_with_an_item_in_each_transaction_goes_on_after_one_was_rolled_back(begin):
    run = begin()
    items = iter(current_task.iterate("abcd"))
    with suppress(ZeroDivisionError), transaction.atomic():
        next(items)
        next(items)
        raise ZeroDivisionError
    assert run.confirmed_position == {}

    with transaction.atomic():
        next(items)

    assert run.confirmed_position == {"0": [2]}


def test_a_loop_in_a_long_transaction_has_one_callback_in_it(begin):
    run = begin()
    with transaction.atomic():
        assert list(current_task.iterate(range(100))) == list(range(100))
        assert len(connection.run_on_commit) == 1

    assert run.confirmed_position == {"0": [100]}


def test_without_autocommit_nothing_is_confirmed_that_may_be_rolled_back(begin, order_table):
    run = begin()
    transaction.set_autocommit(False)
    try:
        list(current_task.iterate("abc"))
        assert run.confirmed_position == {}
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


def test_without_autocommit_a_loop_does_not_stop_where_it_could_not_go_on(begin, order_table):
    begin()
    transaction.set_autocommit(False)
    try:
        items = current_task.iterate("abc")
        assert next(items) == "a"
        order_table.request_stop()
        assert list(items) == ["b", "c"]
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


def test_a_stop_of_the_cluster_ends_a_loop_between_two_items(begin, order_table):
    run = begin()
    done = []

    def loop():
        for item in current_task.iterate("abcd"):
            done.append(item)
            if item == "b":
                order_table.request_stop()

    with pytest.raises(TaskStopped):
        loop()

    assert (done, run.confirmed_position, run.is_stopped) == (["a", "b"], {"0": [2]}, True)


def test_a_loop_inside_another_stops_only_with_that(begin, order_table):
    run = begin()
    done = []

    def loop():
        for item in current_task.iterate("ab"):
            order_table.request_stop()
            done.extend(f"{item}{other}" for other in current_task.iterate("xyz"))

    with pytest.raises(TaskStopped):
        loop()

    assert (done, run.confirmed_position) == (["ax", "ay", "az"], {"0": [1]})


def test_a_loop_inside_another_begins_anew(begin):
    run = begin()
    for _ in current_task.iterate("ab"):
        interrupted_after("xyz", 2)
        break
    begin(position=run.confirmed_position)

    pairs = [(item, list(current_task.iterate("xyz"))) for item in current_task.iterate("ab")]

    assert pairs == [("a", ["x", "y", "z"]), ("b", ["x", "y", "z"])]


@pytest.mark.parametrize("depth", [1, 2])
def test_a_cancelled_task_ends_between_two_items(begin, order_table, depth):
    run = begin()
    done = []

    def loop():
        for _ in current_task.iterate("ab") if depth == 2 else ["a"]:
            for item in current_task.iterate("xyz"):
                done.append(item)
                orders = {task_key(run.package["id"]): (0.0, "cancelled by anna")}
                order_table.write(orders)

    with pytest.raises(TaskCancelled) as error:
        loop()

    assert str(error.value) == "cancelled by anna"
    assert done == ["x"]


def test_the_position_is_in_the_slot_for_the_sentinel(begin, slot):
    begin()

    interrupted_after("abcd", 3)

    assert json.loads(slot.loop_position) == {"0": [2]}
    assert slot.current_label == "label"


def test_a_position_that_is_too_long_for_the_slot_is_left_out_and_said_once(begin, slot, caplog):
    run = begin(position={str(n): [1, "x" * 100, "m"] for n in range(1, 6)})

    interrupted_after("abcd", 4)

    assert slot.loop_position == b""
    assert run.confirmed_position["0"] == [3]
    assert caplog.text.count("goes on from an earlier item") == 1


def test_a_loop_tells_how_far_it_is(begin, slot):
    make_groups(3)
    begin()
    interrupted_after(Group.objects.all(), 2)
    assert slot.progress == (1, 3, "")

    begin()
    interrupted_after(range(9), 2, batch=4)
    assert slot.progress == (4, 9, "")


def test_a_loop_leaves_alone_what_the_task_tells_itself(begin, slot):
    begin()
    current_task.progress(0, total=1000)
    for item in current_task.iterate([1, 2, 3]):
        assert slot.progress == (item - 1 if item == 1 else 100 * (item - 1), 1000, "")
        current_task.progress(100 * item)


def test_a_loop_keeps_the_note_of_the_task(begin, slot):
    begin()
    for _ in current_task.iterate("ab"):
        current_task.progress(None, note="reading")

    assert slot.progress == (2, 2, "reading")


def test_a_position_of_another_kind_of_loop_is_not_used(begin):
    make_groups(2)
    begin(position={"0": [1]})
    assert len(list(current_task.iterate(Group.objects.all()))) == 2

    begin(position={"0": [1, 1, "auth.group"]})
    assert list(current_task.iterate("ab")) == ["a", "b"]

    begin(position={"0": [1, "no number", "auth.group"]})
    assert len(list(current_task.iterate(Group.objects.all()))) == 2


def test_a_loop_in_a_coroutine_stops_between_two_items(begin, order_table):
    run = begin()
    done = []

    async def loop():
        for item in current_task.iterate("abcd"):
            await asyncio.sleep(0)
            done.append(item)
            if item == "b":
                order_table.request_stop()

    with pytest.raises(TaskStopped):
        run_coroutine(loop())

    assert (done, run.confirmed_position) == (["a", "b"], {"0": [2]})


def test_a_queryset_in_a_coroutine_is_refused_with_a_way_out(begin):
    begin()

    async def loop():
        return current_task.iterate(Group.objects.all())

    with pytest.raises(TypeError, match="make a list first"):
        run_coroutine(loop())
