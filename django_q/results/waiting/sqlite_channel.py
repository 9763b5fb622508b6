"""Notice that the database of results has changed, by the file of SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connections

from django_q.brokers.contract.result_channel import (
    ANY_MARK,
    ChannelFailed,
    ResultChannel,
    Subscription,
)
from django_q.brokers.orm.sqlite import database_path
from django_q.servers.inotify import Inotify


class SqliteSubscription(Subscription):
    """Watches the files that each change of a database writes."""

    def __init__(self, path: str) -> None:
        self.files = [path, f"{path}-wal"]
        try:
            self.inotify = Inotify()
        except OSError as error:  # no Linux, or too many watches of this user
            raise ChannelFailed(f"the kernel does not watch the database: {error}") from error
        self.read()

    def fileno(self) -> int:
        """Return the descriptor of the watch."""
        return self.inotify.fileno()

    def read(self) -> set[str]:
        """Discard what has been noticed: any task may have ended."""
        try:
            self.inotify.discard_events()
            self.inotify.watch(self.files)  # again, as the log may be another file by now
        except OSError as error:
            raise ChannelFailed(f"the kernel does not watch the database: {error}") from error
        return {ANY_MARK}

    def close(self) -> None:
        """End the watch."""
        self.inotify.close()


class SqliteResultChannel(ResultChannel):
    """The file of the database that holds the results: nobody has to tell."""

    needs_telling = False

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def tell(self, marks: Sequence[str]) -> bool:
        """Do nothing: the row of a result has changed the file."""
        return False

    def subscribe(self) -> Subscription | None:
        """Watch the file; a database in memory has none."""
        path = database_path(connections[self.alias])
        return SqliteSubscription(path) if path else None
