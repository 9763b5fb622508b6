"""The side of the Redis broker that enqueues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any

import redis
from redis.exceptions import NoScriptError

from django_q.brokers.base import (
    DEAD_SUFFIX,
    ONCE_KEY_GRACE_SECONDS,
    ONCE_KEY_SECONDS,
    Broker,
)
from django_q.brokers.redis import scripts
from django_q.brokers.redis.connections.sender import Sender
from django_q.brokers.redis.refusals import refusal_of
from django_q.brokers.redis.scripts import microseconds
from django_q.brokers.redis.terms import CallTexts, enqueued, single_task_texts
from django_q.brokers.terms import Enqueued, Terms
from django_q.conf import Conf

#: The most seconds that one blocking command waits.
MAX_BLOCK_SECONDS = 30
#: The most payloads that one command pushes, and the most tasks with terms that one adds.
MAX_VALUES_PER_PUSH = 10_000
#: Added to a queue's name: see lua/prelude.lua.
KEY_SUFFIXES = ("", ":running", ":leases", ":tries", ":sequence", DEAD_SUFFIX, ":clock")
#: Of tasks with terms: see lua/tasks/task_prelude.lua.
TASK_KEY_SUFFIXES = (
    ":task_leases",
    ":tasks",
    ":terms",
    ":ready",
    ":delayed",
    ":held",
    ":task_tries",
    ":takes",
)


class RedisProducer(Broker):
    """Enqueues payloads, with or without terms."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        if not self.list_key.startswith("django_q:"):
            self.list_key = f"django_q:{Conf.redis_name(self.list_key)}:q"

    def refusal(self, error: BaseException) -> str | None:
        """Explain what Redis refused: a command without permission, or a key of the wrong type."""
        return super().refusal(error) or refusal_of(error, self.list_key)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of the queue, in the order of lua/prelude.lua."""
        return tuple(self.list_key + part for part in KEY_SUFFIXES)

    @cached_property
    def task_keys(self) -> tuple[str, ...]:
        """The keys of the queue, with those of tasks with terms behind."""
        return (*self.keys, *(self.list_key + part for part in TASK_KEY_SUFFIXES))

    @cached_property
    def single_task_keys(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The keys of enqueue_task.lua: for a task that is ready, and for one that is due later."""
        names = (":sequence", ":task_leases", ":tasks", ":terms")
        shared = (self.list_key, *(self.list_key + name for name in names))
        return (*shared, self.list_key + ":ready"), (*shared, self.list_key + ":delayed")

    def _run(self, script: scripts.Script, *args: Any) -> Any:
        """Run a script for plain tasks. Returns its reply."""
        return script.run(self.connection, self.keys, *args)

    def _run_tasks(self, script: scripts.Script, *args: Any) -> Any:
        """Run a script for tasks with terms, too. Returns its reply."""
        return script.run(self.connection, self.task_keys, *args)

    def enqueue(self, payload: str | bytes, delay: float = 0) -> Any:
        """Push a payload. Returns the length of the list, or the id of a delayed payload."""
        if delay > 0:
            return self._delay(payload, microseconds(delay), microseconds(max_wait_seconds()))
        return self._send(("RPUSH", self.list_key, payload))[0]

    @property
    def _sender(self) -> Sender:
        """The sender of pushes. It belongs to a client, so another client gets another one."""
        sender = vars(self).get("sender")
        if sender is None or sender.client is not self.connection:
            sender = self.sender = Sender(self.connection)
        return sender

    def _delay(self, *args: Any) -> bytes:
        """Add a payload whose lease, held by nobody, ends when it is due."""
        return self._send_script(scripts.enqueue_delayed, [(self.keys, *args)])[0]

    def _send_script(self, script: scripts.Script, calls: list[tuple]) -> list:
        """Run a script that enqueues, with the keys and arguments of each call. Returns replies."""
        try:
            return self._send(*[script.evalsha_command(*each) for each in calls])
        except NoScriptError:
            return self._send(*[script.eval_command(*each) for each in calls])

    def _send(self, *commands: tuple) -> list:
        """Send commands that enqueue."""
        with self._explained_refusals():
            return self._sender.send(*commands)

    @contextmanager
    def _explained_refusals(self) -> Iterator[None]:
        """Have the error of a refused command say how to permit it."""
        try:
            yield
        except redis.ResponseError as error:
            if refusal := self.refusal(error):
                raise type(error)(f"{error}. {refusal}") from error
            raise

    def enqueue_many(self, payloads: Iterable[str | bytes]) -> list:
        """Push payloads in one command, or many of them in one transaction."""
        remaining = iter(payloads)
        chunks = list(iter(lambda: list(islice(remaining, MAX_VALUES_PER_PUSH)), []))
        if not chunks:
            return []
        length = self._send(*(("RPUSH", self.list_key, *chunk) for chunk in chunks))[-1]
        return list(range(length - sum(map(len, chunks)) + 1, length + 1))

    def enqueue_once(self, payload: str | bytes, key: str, terms: Terms | None = None) -> bool:
        """Push a payload and set a mark for ``key``. Returns False when the mark exists already."""
        if terms is None:
            keys = (self.list_key, self.mark(key))
            return bool(scripts.enqueue_once.run(self.connection, keys, payload, ONCE_KEY_SECONDS))
        found = self._send_tasks([[(payload, terms)]], key)
        return bool(found and found[0].is_new)

    def enqueue_many_once(
        self, tasks: Iterable[tuple[str, str | bytes, Terms | None]]
    ) -> list[Enqueued | None]:
        """Push payloads and add tasks, each with a mark, in a round trip for each of both kinds."""
        tasks = list(tasks)
        plain = [
            ((self.list_key, self.mark(key)), payload, ONCE_KEY_SECONDS)
            for key, payload, terms in tasks
            if terms is None
        ]
        termed = [
            self._tasks_call([(payload, terms)], key) for key, payload, terms in tasks if terms
        ]
        lengths = iter(self._send_script(scripts.enqueue_once, plain) if plain else ())
        replies = iter(self._send_script(scripts.enqueue_tasks, termed) if termed else ())
        found: list[Enqueued | None] = []
        for _, _, terms in tasks:
            reply = next(lengths if terms is None else replies)
            is_new = Enqueued("") if terms is None else reply and enqueued(*reply[:3])
            found.append(is_new if reply else None)
        return found

    def enqueue_task(self, payload: str | bytes, terms: Terms) -> Enqueued:
        """Add a payload with terms, unless another task has its unique or idempotency key."""
        key = terms.unique or terms.idempotency
        if not (terms.unique and terms.idempotency):
            keys = self.single_task_keys[terms.due_at is not None or terms.delay > 0]
            if key:
                keys = (*keys, f"{self.list_key}:kept:{key}")
            texts = single_task_texts(terms, microseconds(max_wait_seconds()))
            if self._send_script(scripts.enqueue_task, [(keys, payload, *texts)])[0]:
                return Enqueued(terms.task_id)
        return self._send_tasks([[(payload, terms)]])[0]

    def enqueue_tasks(self, tasks: Iterable[tuple[str | bytes, Terms]]) -> list[Enqueued]:
        """Add payloads with terms in one script, or many of them in one transaction."""
        remaining = iter(tasks)
        chunks = list(iter(lambda: list(islice(remaining, MAX_VALUES_PER_PUSH)), []))
        if len(chunks) == 1 == len(chunks[0]):
            return [self.enqueue_task(*chunks[0][0])]
        return self._send_tasks(chunks) if chunks else []

    def _send_tasks(self, chunks: list, once_key: str | None = None) -> list[Enqueued]:
        """Add tasks; none of them, and an empty list, where the mark of ``once_key`` exists."""
        calls = [self._tasks_call(chunk, once_key) for chunk in chunks]
        replies = self._send_script(scripts.enqueue_tasks, calls)
        return [
            enqueued(*reply[start : start + 3])
            for reply in replies
            if reply
            for start in range(0, len(reply), 3)
        ]

    def _tasks_call(self, tasks: list, once_key: str | None) -> tuple:
        """Make the keys and arguments of enqueue_tasks.lua."""
        texts = CallTexts(self.list_key, self.task_keys)
        place = texts.add_key(self.mark(once_key)) if once_key else 0
        args = [value for payload, terms in tasks for value in (payload, texts.text(terms))]
        options = (microseconds(max_wait_seconds()), place, ONCE_KEY_SECONDS)
        return (texts.keys, *options, *args)

    def replace_task(self, version: str, payload: str | bytes, terms: Terms) -> bool:
        """Replace a task unless it was taken or changed since."""
        texts = CallTexts(self.list_key, self.task_keys)
        text = texts.text(terms)
        options = (version, microseconds(max_wait_seconds()))
        keys = tuple(texts.keys)
        with self._explained_refusals():
            return bool(scripts.replace_task.run(self.connection, keys, *options, payload, text))

    def find_duplicate(self, terms: Terms) -> Enqueued | None:
        """Find the task that keeps one with these terms from being enqueued."""
        texts = CallTexts(self.list_key, self.task_keys)
        text = texts.text(terms)
        with self._explained_refusals():
            found = scripts.find_duplicate.run(self.connection, tuple(texts.keys), text)
        return enqueued(found[0], 0, found[1]) if found else None

    def release_once_keys(
        self, keys: Iterable[str], seconds: float = ONCE_KEY_GRACE_SECONDS
    ) -> None:
        """Let the marks of keys of ``enqueue_once`` expire in so many seconds."""
        if commands := [("EXPIRE", self.mark(key), int(seconds)) for key in keys]:
            self._send(*commands)

    def mark(self, key: str) -> str:
        """Return the Redis key of the mark for a key of ``enqueue_once``."""
        return f"{self.list_key}:once:{key}"


def max_wait_seconds() -> float:
    """Return the seconds that a wait may last before the leases are checked.

    A lease that another cluster takes meanwhile does not end before: it lasts ``retry`` seconds.
    """
    return min(MAX_BLOCK_SECONDS, Conf.RETRY)
