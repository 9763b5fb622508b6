"""What the Redis broker tells of a queue: its tasks, their number, and other queues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from redis.exceptions import NoPermissionError

from django_q.brokers.redis import scripts
from django_q.brokers.redis.connections.sender import is_single_server
from django_q.brokers.redis.producer import RedisProducer
from django_q.brokers.redis.scripts import microseconds
from django_q.brokers.redis.terms import queue_names_in, queued_task
from django_q.brokers.terms import QueueCounts, QueuedTask
from django_q.conf import Conf
from django_q.servers.redis_cluster import nodes_of

#: Values that describe a task in the reply of lua/tasks/list_tasks.lua.
VALUES_PER_TASK = 8
#: Keys of one step of a search for queues, and the most steps of one.
SCAN_PAGE_SIZE, MAX_SCAN_STEPS = 1000, 1000


class RedisListing(RedisProducer):
    """Describes and counts the tasks of a queue."""

    def find(self, task_id: str) -> QueuedTask | None:
        """Find an unfinished task with terms by its id."""
        found = self._run_tasks(scripts.find_task, task_id)
        return queued_task(*found) if found else None

    def list_tasks(
        self, state: str | None = None, after: str = "", limit: int = 100
    ) -> list[QueuedTask]:
        """List a page of the unfinished tasks; those on the list are found by their place."""
        found: list[QueuedTask] = []
        while len(found) < limit:
            args = (state or "", limit - len(found), after)
            after, *values = self._run_tasks(scripts.list_tasks, *args)
            rows = (values[start::VALUES_PER_TASK] for start in range(VALUES_PER_TASK))
            found += [queued_task(*row) for row in zip(*rows, strict=True)]
            if not after:
                break
        return found

    def count_tasks(self) -> QueueCounts:
        """Count the unfinished tasks by state; the age of plain ones that wait is not known."""
        _, _, *counts, oldest = self._run_tasks(scripts.sizes, microseconds(Conf.RETRY))
        return QueueCounts(*counts, oldest / 1e6 if oldest >= 0 else None)

    def queue_names(self) -> list[str]:
        """List the queues of this server that have tasks; this one alone for who may not search.

        Among many millions of keys of others it gives up, and lists what was found until then.
        """
        try:
            return sorted(queue_names_in(self._scan("django_q:*")))
        except NoPermissionError:
            return [self.list_key]

    def _scan(self, pattern: str) -> Iterator[bytes | str]:
        """Find keys of all queues."""
        if not is_single_server(self.connection):
            yield from self.connection.scan_iter(pattern, SCAN_PAGE_SIZE)
            return
        nodes = nodes_of(self.connection)
        for client in nodes.server_clients() if nodes else [self.connection]:
            yield from scanned(client, pattern)

    def queue_size(self) -> int:
        """Count the payloads that could be delivered now."""
        return self._run_tasks(scripts.sizes)[0]

    def lock_size(self) -> int:
        """Count the payloads that are leased, or delayed."""
        return self._run_tasks(scripts.sizes)[1]

    def purge_queue(self) -> int:
        """Delete the payloads that are not leased, delayed ones too."""
        return self._run_tasks(scripts.purge)


def scanned(client: Any, pattern: str) -> Iterator[bytes | str]:
    """Find keys on one server, in so many steps at most."""
    cursor = 0
    for _ in range(MAX_SCAN_STEPS):
        cursor, keys = client.scan(cursor, pattern, SCAN_PAGE_SIZE)
        yield from keys
        if not cursor:
            return
