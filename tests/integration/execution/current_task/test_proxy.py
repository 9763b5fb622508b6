"""What code asks of the task that it is a part of."""

from __future__ import annotations

import contextvars
import os
import threading
from decimal import Decimal

import pytest

from django_q.exceptions import NoCurrentTask
from django_q.tasks import async_task, current_task, fetch, result


@pytest.mark.parametrize(
    "ask",
    [
        lambda: current_task.id,
        lambda: current_task.name,
        lambda: current_task.attempt,
        lambda: current_task.group,
        lambda: current_task.queue,
        lambda: current_task.deadline,
        lambda: current_task.is_cancelled,
        lambda: current_task.progress(1),
        lambda: current_task.iterate([1]),
    ],
)
def test_outside_of_a_task_it_says_so(ask):
    with pytest.raises(NoCurrentTask, match="No task runs here"):
        ask()
    assert not current_task


@pytest.mark.django_db(transaction=True)
def test_a_task_that_runs_inline_knows_itself_and_the_caller_does_not():
    task = async_task(f"{__name__}.describe_with_loop", sync=True, group="mail", task_name="one")

    assert result(task) == (task, "one", 1, "mail", "test", None, False, [1, 2])
    assert not current_task


def describe_with_loop():
    """Return what a task knows of itself."""
    current_task.progress(1, 2, "three")
    about = current_task.id, current_task.name, current_task.attempt, current_task.group
    more = current_task.queue, current_task.deadline, current_task.is_cancelled
    return (*about, *more, list(current_task.iterate([1, 2])))


@pytest.mark.django_db(transaction=True)
def test_a_task_inside_another_is_another():
    task = async_task(f"{__name__}.run_another_inside", sync=True)

    before, inside, after = result(task)

    assert before == after == task
    assert inside not in (None, task)


def run_another_inside():
    """Return the id of this task, of one that runs inside, and of this one again."""
    before = current_task.id
    return before, result(async_task(f"{__name__}.own_id", sync=True)), current_task.id


def own_id():
    """Return the id of this task."""
    return current_task.id


@pytest.mark.django_db(transaction=True)
def test_a_loop_of_an_inline_task_that_is_retried_goes_on():
    options = {"retries": 2, "retry_delay": 0}
    seen = []

    task = async_task(fail_at_b, seen, sync=True, q_options=options)

    assert fetch(task).success, fetch(task).result
    assert fetch(task).result == ["b", "c"]


def fail_at_b(seen):
    """Fail at an item in the first attempt; the items of the last one."""
    for item in current_task.iterate("abc"):
        seen.append(item)
        if item == "b" and current_task.attempt == 1:
            raise ValueError(item)
    return seen


@pytest.mark.django_db(transaction=True)
def test_a_worker_of_a_predecessors_timer_gives_tasks_what_they_ask_for(broker, run_once):
    task = async_task(f"{__name__}.describe_with_loop", timeout=60)

    run_once(broker)

    assert fetch(task).success, fetch(task).result
    assert fetch(task).result[0] == task


def test_progress_is_in_the_slot(begin, slot):
    begin()

    current_task.progress(5, 10, "reading")
    assert slot.progress == (5, 10, "reading")

    current_task.progress(6)
    assert slot.progress == (6, 10, "")

    current_task.progress(None, note="writing")
    assert slot.progress == (6, 10, "writing")


def test_what_is_told_first_is_seen_with_its_note_or_not_at_all(begin, slot, monkeypatch):
    begin()
    seen = []
    write = slot.note.write

    def look_and_write(*args):
        seen.append(slot.progress)
        write(*args)

    monkeypatch.setattr(slot.note, "write", look_and_write)

    current_task.progress(5, 10, "reading")

    assert seen == [None]
    assert slot.progress == (5, 10, "reading")


class Unspeakable:
    """A value that raises whatever is done with it."""

    def __float__(self):
        raise RuntimeError("as asked")

    __str__ = __repr__ = __float__

    def __eq__(self, other):
        raise RuntimeError("as asked")

    __hash__ = None


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((Decimal("1.5"), 3), (1.5, 3)),
        (("5", "10"), (5, 10)),
        ((True, 1), (1, 1)),
        ((10**400, 1), (None, 1)),
        (("many", 2), (None, 2)),
        ((Unspeakable(), Unspeakable()), (None, None)),
        (([1], {}), (None, None)),
    ],
)
def test_a_progress_that_is_no_number_fails_no_task(begin, slot, values, shown, caplog):
    begin()

    current_task.progress(*values)
    current_task.progress(*values)

    found = tuple(None if number != number else number for number in slot.progress[:2])
    assert found == shown
    assert caplog.text.count("is no number") == (None in shown)


@pytest.mark.parametrize("note", [5, None, Unspeakable(), "\ud800", "ö" * 300])
def test_a_note_of_any_kind_fails_no_task(begin, slot, note):
    begin()

    current_task.progress(1, note=note)

    assert slot.progress[0] == 1
    assert len(slot.progress[2].encode()) <= 200


def test_a_thread_with_a_copy_of_the_context_tells_progress_until_the_task_is_over(begin, slot):
    begin()
    context = contextvars.copy_context()
    tell = threading.Thread(target=context.run, args=(current_task.progress, 7, 9))
    tell.start()
    tell.join()
    assert slot.progress == (7, 9, "")

    begin()
    late = threading.Thread(target=context.run, args=(current_task.progress, 8, 9, "late"))
    late.start()
    late.join()

    assert slot.progress is None


def test_a_thread_that_is_left_behind_moves_no_position(begin, slot):
    begin()
    context = contextvars.copy_context()
    begin()

    late = threading.Thread(target=context.run, args=(walk_to_the_end, "ab"))
    late.start()
    late.join()

    assert slot.progress is None
    assert slot.loop_position == b""


def walk_to_the_end(items):
    """Walk through items."""
    return list(current_task.iterate(items))


def test_a_forked_process_tells_nothing(begin, slot):
    begin()
    current_task.progress(1, 2)

    pid = os.fork()
    if not pid:
        try:
            current_task.progress(2, 2, "child")
            list(current_task.iterate("ab"))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

    assert slot.progress == (1, 2, "")
    assert slot.loop_position == b""
