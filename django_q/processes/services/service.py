"""A process beside those of the cluster, as its parent sees it: started, replaced and ended."""

from __future__ import annotations

import time
from typing import Any

from django_q.processes.shared_state.process_table import ProcessEntry
from django_q.processes.supervision import process_start
from django_q.processes.supervision.child import Child
from django_q.queues import Flag


class Service:
    """A process that serves a cluster, and without which the cluster works."""

    def __init__(
        self,
        role: str,
        path: str,
        args: tuple,
        parent_flag: Flag,
        args_after_setup: tuple = (),
    ) -> None:
        self.path, self.args, self.args_after_setup = path, args, args_after_setup
        self.parent_flag = parent_flag
        self.child = Child(role)
        self.entry: ProcessEntry | None = None  # where other processes read whether it runs

    def start(self) -> None:
        """Start the process."""
        self.spawn()

    def spawn(self) -> None:
        """Start the process, or note that it can not be started now."""
        try:
            self.child.record_start(
                process_start.start_process(
                    self.path,
                    self.args,
                    self.child.name,
                    self.parent_flag,
                    daemon=True,
                    args_after_setup=self.args_after_setup,
                )
            )
        except (OSError, EOFError) as error:
            self.child.record_failed_start(error)
        self.publish()

    def publish(self) -> None:
        """Write whether the process runs where others read it, if they do."""
        if self.entry is not None:
            self.child.publish(self.entry)

    @property
    def sources(self) -> list[Any]:
        """The descriptors that become readable when the process has ended."""
        return [self.child.exit_descriptor] if self.child.is_running else []

    @property
    def due(self) -> float:
        """When the next process may start, monotonic; infinite while one runs."""
        return float("inf") if self.child.is_running else self.child.due

    def supervise_once(self) -> None:
        """Start another process if this one has ended."""
        if self.child.is_running and self.child.has_ended():
            cause = self.child.cause()
            self.child.record_exit()
            self.publish()
            self.child.report(cause)
        if not self.child.is_running and time.monotonic() >= self.child.due:
            self.spawn()

    def close(self) -> None:
        """End the process."""
        if self.child.is_running:
            self.child.process.kill()
            self.child.process.join()
            self.child.record_exit()
