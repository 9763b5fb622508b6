"""Read results from coroutines. No thread is held while one waits.

``wait``, ``cached`` and the others mean what they do in ``results.reading``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async

from django_q.models import Task
from django_q.results.reading import reader
from django_q.results.waiting.loops import wait_in_loop
from django_q.results.waiting.questions import Question
from django_q.servers.transactions import check_wait
from django_q.status import warn_if_unserved


async def aresult(
    task_id: str, wait: float = 0, cached: bool | int | None = None, default: Any = None
) -> Any:
    """Return the result of a task, by its id or name; see ``result``."""
    question, wait = reader(cached).task_question("result", task_id, wait)
    found = await ask(question, wait)
    if wait and not found:
        await sync_to_async(warn_if_unserved)()
    return found[0] if found else default


async def afetch(task_id: str, wait: float = 0, cached: bool | int | None = None) -> Task | None:
    """Return a finished task, by its id or name; see ``fetch``."""
    question, wait = reader(cached).task_question("fetch", task_id, wait)
    found = await ask(question, wait)
    if wait and found is None:
        await sync_to_async(warn_if_unserved)()
    return found


async def aresult_group(
    group_id: str,
    failures: bool = False,
    wait: float = 0,
    count: int | None = None,
    cached: bool | int | None = None,
) -> list[Any] | None:
    """List the results of a group's tasks that have ended; see ``result_group``."""
    asked = reader(cached)
    question, wait = asked.group_question("result_group", group_id, failures, wait, count)
    return await ask_group(question, wait, asked.group_finder("result_group", group_id, failures))


async def afetch_group(
    group_id: str,
    failures: bool = True,
    wait: float = 0,
    count: int | None = None,
    cached: bool | int | None = None,
) -> list[Task] | None:
    """List the tasks of a group that have ended; see ``fetch_group``. Always a list."""
    asked = reader(cached)
    question, wait = asked.group_question("fetch_group", group_id, failures, wait, count)
    return await ask_group(question, wait, asked.group_finder("fetch_group", group_id, failures))


async def ask(question: Question, wait: float) -> Any:
    """Look, and wait until it is found; None when the time is over."""
    found = await sync_to_async(first_look)(question, wait)
    if found is None and wait:
        found = await wait_in_loop(question, None if wait < 0 else wait / 1000)
        if found is None:
            found = await sync_to_async(question.find)()
    return found


def first_look(question: Question, wait: float) -> Any:
    """Look, in the thread of the caller, whose transactions must let it wait."""
    if wait:
        check_wait(question.name)
    return question.find()


async def ask_group(
    question: Question | None, wait: float, find: Callable[[], Any]
) -> list[Any] | None:
    """Wait for a group, if there is something to wait for, and list what is found then."""
    if question:
        await ask(question, wait)
    return await sync_to_async(lambda: list(find()) or None)()
