"""The processes that the main process has beside the sentinel."""

from __future__ import annotations

from typing import Any

from django_q.processes.services.service import Service
from django_q.processes.shared_state.process_table import ProcessTable


class Services:
    """Several services, started in their order and ended in the opposite one."""

    def __init__(self, *services: Service, table: ProcessTable) -> None:
        self.services = services
        for service in services:
            service.entry = table.entry(service.child.name)

    def __enter__(self) -> Services:
        for service in self.services:
            service.start()
        return self

    def __exit__(self, *error: object) -> None:
        for service in reversed(self.services):
            service.close()

    @property
    def sources(self) -> list[Any]:
        """The descriptors that become readable when a process has ended."""
        return [source for service in self.services for source in service.sources]

    @property
    def due(self) -> float:
        """When the next process may start, monotonic; infinite while all run."""
        return min(service.due for service in self.services)

    def supervise_once(self) -> None:
        """Start others for the processes that have ended."""
        for service in self.services:
            service.supervise_once()
