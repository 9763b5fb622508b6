"""A broker of the shop's own, as django-q2 has people write them: packages are files."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

from django_q.brokers import Broker
from django_q.conf import Conf


class Shelf(Broker):
    """A directory a queue; who takes a file moves it, and deletes it when the task is done."""

    @property
    def waiting(self) -> Path:
        """Where packages wait."""
        return self.place("waiting")

    @property
    def taken(self) -> Path:
        """Where packages are that somebody works on."""
        return self.place("taken")

    def place(self, name: str) -> Path:
        """Find a directory of this queue."""
        path = Path(os.environ["SHOP_DIRECTORY"], self.list_key, name)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def enqueue(self, task: str) -> str:
        """Put a package down."""
        name = f"{time.time_ns():020}-{uuid.uuid4().hex}"
        draft = self.waiting / f".{name}"
        draft.write_text(task)
        draft.rename(self.waiting / name)
        return name

    def dequeue(self) -> list | None:
        """Take the oldest packages: (ack_id, payload) pairs, or None."""
        pairs = [pair for path in self.oldest()[: Conf.BULK] if (pair := self.take(path))]
        if not pairs:
            time.sleep(Conf.POLL)
        return pairs or None

    def oldest(self) -> list[Path]:
        """List what waits, the oldest first."""
        return sorted(path for path in self.waiting.iterdir() if not path.name.startswith("."))

    def take(self, path: Path) -> tuple[str, str] | None:
        """Take a package, unless another was quicker."""
        try:
            path.rename(self.taken / path.name)
        except FileNotFoundError:
            return None
        return path.name, (self.taken / path.name).read_text()

    def acknowledge(self, task_id: str) -> None:
        """Forget a package."""
        (self.taken / task_id).unlink(missing_ok=True)

    def queue_size(self) -> int:
        """Count what waits."""
        return len(self.oldest())

    def info(self) -> str:
        """Say what this is."""
        return "Shelf"

    def ping(self) -> bool:
        """Say that it is there."""
        return True
