"""Whether a cluster can work: for a probe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from uuid import UUID

from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from django_q.brokers import Broker
from django_q.conf import Conf
from django_q.exceptions import contain_error
from django_q.models import Task
from django_q.processes.server_calls.call_timeout import call_timeout
from django_q.servers.connections import close_old
from django_q.status import Stat
from django_q.terminal.health import STUCK_SECONDS, QueueSnapshot, held_back


class Readiness:
    """Examines what a cluster needs, and remembers what must be known of an earlier moment."""

    def __init__(
        self, broker: Broker, cluster_id: UUID, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.broker, self.cluster_id, self.clock = broker, cluster_id, clock
        self.is_migrated = False  # once it is, nobody asks again
        self.snapshot: QueueSnapshot | None = None  # since when no task has been taken
        self.taken_at = 0.0

    def problems(self) -> list[str]:
        """Say what keeps the cluster from working; nothing if it can work.

        The texts have no addresses: whoever asks needs no permission.
        """
        checks = {"The database": self.database_problems, "The broker": self.broker_problems}
        return [text for name, check in checks.items() for text in self.answers(name, check)]

    def answers(self, name: str, check: Callable[[], Iterator[str]]) -> list[str]:
        """Return what a check says, or that what it asks does not answer."""
        try:
            with call_timeout():
                return list(check())
        except BaseException as error:  # each driver has its own classes of errors
            contain_error(error)
            self.broker.close()
            close_old()
            return [f"{name} does not answer: {type(error).__name__}."]

    def database_problems(self) -> Iterator[str]:
        """Ask the database, and whether the tables are there."""
        connection = connections[router.db_for_write(Task)]
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not self.is_migrated:
            executor = MigrationExecutor(connection)
            targets = executor.loader.graph.leaf_nodes("django_q")
            self.is_migrated = not executor.migration_plan(targets)
            if not self.is_migrated:
                yield "Migrations of django_q are missing: run manage.py migrate."

    def broker_problems(self) -> Iterator[str]:
        """Ask the broker, whether the cluster runs, and whether it takes tasks."""
        stat = Stat.get(0, self.cluster_id, self.broker)
        if stat.status not in (Conf.IDLE, Conf.WORKING):
            yield "The cluster does not run: it starts, stops, or has no heartbeat."
        elif not stat.pusher:
            yield "The pusher does not run."
        elif self.is_stuck():
            yield f"Tasks wait, and none was taken for {STUCK_SECONDS:.0f} seconds."

    def is_stuck(self) -> bool:
        """Whether tasks wait, no cluster is busy, and nobody has paused the queue.

        Known from the second probe on, five seconds after the first.
        """
        now = QueueSnapshot.take(self.broker, Conf.CLUSTER_NAME)
        if self.snapshot is None or not now.is_stuck_since(self.snapshot):
            self.snapshot, self.taken_at = now, self.clock()
            return False
        has_waited = self.clock() - self.taken_at >= STUCK_SECONDS
        return has_waited and not held_back(self.broker, now.stats)
