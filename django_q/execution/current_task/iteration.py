"""``current_task.iterate``: a loop that can be interrupted, and goes on where it was."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from django_q.execution.current_task.task_run import TaskRun
from django_q.execution.current_task.walks import Walk, walk_of


def iterate(run: TaskRun, items: Any, batch: int | None) -> Iterator[Any]:
    """Return an iterator over items, or over lists of ``batch`` of them."""
    return loop_through(run, walk_of(items, batch))


def loop_through(run: TaskRun, walk: Walk) -> Iterator[Any]:
    """Yield each item. When the next is asked for, the one before counts as done."""
    positions = run.positions
    loop = positions.begin_loop()
    try:
        done = walk.start(positions.earlier_position(loop))
        if loop is not None:
            begin_progress(run, walk, done)
        may_stop = loop is not None
        check_orders(run, may_stop)
        for item, position in walk.steps():
            yield item
            if loop is not None:
                may_stop = positions.confirm(loop, position)
                note_progress(run, position[0])
            check_orders(run, may_stop)
    finally:
        positions.end_loop(loop)


def check_orders(run: TaskRun, may_stop: bool) -> None:
    """Raise ``TaskCancelled`` or ``TaskStopped`` where somebody asks for that.

    A loop stops only where it goes on later: one inside another would begin anew.
    """
    run.raise_if_cancelled()
    if may_stop:
        run.raise_if_stopping()


def begin_progress(run: TaskRun, walk: Walk, done: int) -> None:
    """Write where a loop begins, and how many items there are unless the task has said that."""
    run.has_told_done = False
    if not run.has_told_total:
        total = walk.total(done)
        run.total = math.nan if total is None else total
    note_progress(run, done)


def note_progress(run: TaskRun, done: int) -> None:
    """Write how many items of a loop are done, unless the task says itself how far it is."""
    if not run.has_told_done:
        run.done = done
        run.write_progress()
