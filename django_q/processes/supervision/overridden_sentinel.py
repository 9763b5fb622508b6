"""Names of the predecessors' sentinel, for subclasses that projects have made of it."""

from __future__ import annotations

from typing import Any

from django_q.conf import logger
from django_q.processes.supervision import process_start

#: Methods of the predecessors' sentinel that are never called here.
UNCALLED_METHODS = (
    *("guard", "reincarnate", "queue_name"),
    *("spawn_process", "spawn_pusher", "spawn_worker", "spawn_monitor"),
)


class SentinelCompatibility:
    """Base of the sentinel: warns of overridden methods that are never called, and has ``pool``."""

    children: list[Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if names := [name for name in UNCALLED_METHODS if name in vars(cls)]:
            logger.warning(
                "%s.%s overrides methods that the sentinel never calls: %s. "
                "Processes are started in django_q.processes.supervision.process_start.",
                cls.__module__,
                cls.__qualname__,
                ", ".join(names),
            )

    @property
    def pool(self) -> list[Any]:
        """The worker processes."""
        return [child.process for child in self.children if child.role == process_start.WORKER]

    @pool.setter
    def pool(self, processes: list[Any]) -> None:
        others = [child for child in self.children if child.role != process_start.WORKER]
        kept = [child for child in self.children if child.process in processes]
        self.children = others + [child for child in kept if child.role == process_start.WORKER]
