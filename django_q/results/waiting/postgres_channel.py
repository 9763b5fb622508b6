"""Tell by notifications of PostgreSQL that tasks have ended.

Who waits holds an advisory lock, shared with others, as long as it is connected. A monitor that can
take that lock alone knows that nobody waits, and sends nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import Error, connections

from django_q.brokers.contract.result_channel import ChannelFailed, ResultChannel, Subscription
from django_q.descriptor_wait import wait_until_readable
from django_q.servers.notifications import listen, read_notifications

#: The channel. Who shares the database shares it.
RESULTS_CHANNEL = "django_q_results"
#: The two keys of the advisory lock: "djq" and "wait" in ASCII.
LOCK_KEYS = (0x646A71, 0x77616974)
#: Marks in a notification, of 13 characters each: its text has less than 8,000 bytes.
MARKS_PER_NOTIFICATION = 500
#: Seconds that a test notification may take.
ARRIVAL_TEST_TIMEOUT = 2

LOCK_SQL = f"SELECT PG_ADVISORY_LOCK_SHARED({LOCK_KEYS[0]}, {LOCK_KEYS[1]})"
TEST_SQL = f"SELECT PG_NOTIFY('{RESULTS_CHANNEL}', '')"
#: By itself a transaction. Its commit takes the one lock for all that notify, so it is not that of
#: the rows: those would wait for each other. Nor does it wait for the disk while it has that lock.
TELL_SQL = f"""
    SELECT PG_NOTIFY('{RESULTS_CHANNEL}', marks), SET_CONFIG('synchronous_commit', 'off', true)
    FROM UNNEST(%s::text[]) AS marks
    WHERE NOT (SELECT PG_TRY_ADVISORY_XACT_LOCK({LOCK_KEYS[0]}, {LOCK_KEYS[1]}))
"""


@contextlib.contextmanager
def errors_told(wrapper: Any) -> Iterator[None]:
    """Raise ``ChannelFailed`` for errors of the driver, and for those that Django makes of them."""
    try:
        yield
    except (Error, wrapper.Database.Error) as error:
        reason = " ".join(str(error).split())
        raise ChannelFailed(f"PostgreSQL does not notify: {reason}") from error


class PostgresSubscription(Subscription):
    """A connection of its own that listens, and holds the lock of those who wait."""

    def __init__(self, wrapper: Any) -> None:
        self.wrapper = wrapper
        with errors_told(wrapper):
            self.listener = listen(wrapper, RESULTS_CHANNEL)
        try:
            with errors_told(wrapper):
                self.check_arrival()
                # Behind the check: a pooler that passes no notifications would keep the lock.
                self.listener.cursor().execute(LOCK_SQL)
        except BaseException:
            self.close()
            raise

    def check_arrival(self) -> None:
        """Send a notification by the connection of this thread, and wait for it."""
        with self.wrapper.cursor() as cursor:
            cursor.execute(TEST_SQL)
        if not wait_until_readable([self.fileno()], ARRIVAL_TEST_TIMEOUT):
            raise ChannelFailed("notifications of PostgreSQL do not arrive, as behind some poolers")
        read_notifications(self.listener)

    def fileno(self) -> int:
        """Return the descriptor of the connection."""
        return self.listener.fileno()

    def read(self) -> set[str]:
        """Read the marks that were told."""
        with errors_told(self.wrapper):
            return {mark for text in read_notifications(self.listener) for mark in text.split()}

    def close(self) -> None:
        """Close the connection, which releases the lock."""
        with contextlib.suppress(self.wrapper.Database.Error):
            self.listener.close()


class PostgresResultChannel(ResultChannel):
    """The channel of the database that holds the results."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def tell(self, marks: Sequence[str]) -> bool:
        """Notify in chunks, unless nobody waits. Returns whether somebody does."""
        size = MARKS_PER_NOTIFICATION
        chunks = [" ".join(marks[first : first + size]) for first in range(0, len(marks), size)]
        wrapper = connections[self.alias]
        with errors_told(wrapper), wrapper.cursor() as cursor:
            cursor.execute(TELL_SQL, [chunks])
            return cursor.fetchone() is not None

    def subscribe(self) -> Subscription | None:
        """Listen; not inside a transaction, whose own notifications wait for its end."""
        wrapper = connections[self.alias]
        return None if wrapper.in_atomic_block else PostgresSubscription(wrapper)
