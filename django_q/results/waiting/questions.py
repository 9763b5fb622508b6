"""What callers wait for, and looking for the answers of many in one query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import Error, connections

from django_q.servers.connections import redis_errors


@dataclass(frozen=True)
class Question:
    """What a caller waits for: the end of a task, or of tasks of a group."""

    name: str  #: the id or name of the task, or the group
    store: Any  #: where results are; equal ones are the same place
    find: Callable[[], Any]  #: gives None until it is there
    kind: str = ""  #: what ``store.find_many`` calls it; empty where each must be asked alone


def find_by_any_connection(questions: Sequence[Question]) -> list[Any]:
    """Look for each as ``find_all`` does, in a thread whose connections no request closes.

    One that the server has closed meanwhile, as an idle one, is made anew.
    """
    answers = find_all(questions)
    if any(isinstance(found, Error) for found in answers) and close_broken():
        return find_all(questions)
    return answers


def close_broken() -> bool:
    """Close the connections of this thread that do not work. Returns whether there were any."""
    broken = [
        connection
        for connection in connections.all(initialized_only=True)
        if connection.connection is not None
        and connection.errors_occurred
        and not connection.in_atomic_block
        and not connection.is_usable()
    ]
    for connection in broken:
        connection.close()
    return bool(broken)


def find_all(questions: Sequence[Question]) -> list[Any]:
    """Look for each. Returns what was found, None, or the error that came, in their order."""
    batches: dict[tuple[Any, str], set[str]] = defaultdict(set)
    for question in questions:
        if question.kind:
            batches[question.store, question.kind].add(question.name)
    found = {
        (store, kind): found_or_error(lambda s=store, k=kind, n=names: s.find_many(k, sorted(n)))
        for (store, kind), names in batches.items()
    }
    return [answer(question, found.get((question.store, question.kind))) for question in questions]


def answer(question: Question, found: Any) -> Any:
    """Take an answer from those of a batch, or look for it alone.

    A row that can not be read fails its batch: then each is asked for alone. A server that is away
    is not asked again.
    """
    if isinstance(found, dict):
        return found.get(question.name)
    if isinstance(found, (Error, OSError, *redis_errors())):
        return found
    return found_or_error(question.find)


def found_or_error(find: Callable[[], Any]) -> Any:
    """Return what a function finds, or the error that it raises."""
    try:
        return find()
    except Exception as error:  # raised in the caller who waits for it
        return error
