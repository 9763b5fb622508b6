"""Numbers for the screens, asked for so seldom that asking does not weigh on the servers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import Error as DatabaseError
from django.utils.translation import gettext as _

from django_q.brokers import Broker
from django_q.exceptions import BrokerUnavailable
from django_q.models import Task
from django_q.servers.connections import close_old, redis_errors

#: Rows are counted up to here, because counting a million takes a database seconds.
MAX_COUNTED_ROWS = 100_000
#: A queue is measured this often at most; seconds.
QUEUE_SIZE_INTERVAL = 0.5
#: Rows are counted this often at most; seconds.
ROW_COUNT_INTERVAL = 5.0
#: What takes a second to find out is asked for every this many seconds at most.
QUERY_COST_FACTOR = 20


@dataclass(frozen=True)
class Figures:
    """What a screen shows beside the clusters; None where the database does not answer."""

    broker: str = ""  #: its kind and version
    queued: int = 0  #: tasks that wait
    locked: int = 0  #: tasks that are leased
    dead: int = 0  #: packages that could not be decoded
    successes: int | None = 0  #: above COUNT_LIMIT: more than that
    failures: int | None = 0


class ThrottledValue:
    """A number that is found out anew only when it is old, in proportion to its price."""

    def __init__(
        self,
        query: Callable[[], Any],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.query = query
        self.interval = interval
        self.clock = clock
        self.value: Any = None
        self.next_query_at = float("-inf")

    def __call__(self) -> Any:
        began = self.clock()
        if began >= self.next_query_at:
            self.value = self.query()
            ended = self.clock()
            self.next_query_at = ended + max(self.interval, QUERY_COST_FACTOR * (ended - began))
        return self.value


class FiguresReader:
    """Reads the figures of a broker and of the results again and again."""

    def __init__(self, broker: Broker) -> None:
        self.info = broker.info
        self.queued = ThrottledValue(broker.queue_size, QUEUE_SIZE_INTERVAL)
        self.locked = ThrottledValue(broker.lock_size, QUEUE_SIZE_INTERVAL)
        self.dead = ThrottledValue(broker.dead_size, ROW_COUNT_INTERVAL)
        self.successes = ThrottledValue(
            lambda: query_or_none(count_tasks, True), ROW_COUNT_INTERVAL
        )
        self.failures = ThrottledValue(
            lambda: query_or_none(count_tasks, False), ROW_COUNT_INTERVAL
        )

    def read(self) -> Figures:
        """Give the figures, none of them much older than its interval."""
        return Figures(
            broker=self.info(),
            queued=self.queued(),
            locked=self.locked(),
            dead=self.dead(),
            successes=self.successes(),
            failures=self.failures(),
        )


def count_tasks(success: bool) -> int:
    """Count the tasks that succeeded, or failed, as far as COUNT_LIMIT + 1."""
    # Not success=..., which SQLite and MySQL can not look up in the index.
    tasks = Task.objects.filter(success__in=[success]).order_by()
    return tasks.values("success")[: MAX_COUNTED_ROWS + 1].count()


def query_or_none(query: Callable[..., Any], *args: Any) -> Any:
    """Ask the database; None when it does not answer."""
    try:
        return query(*args)
    except DatabaseError:
        close_old()  # so that the next time makes a connection that works
        return None


def figure_text(number: int | None) -> str:
    """Write a figure."""
    if number is None:
        return "?"
    return f"{MAX_COUNTED_ROWS}+" if number > MAX_COUNTED_ROWS else str(number)


@contextmanager
def broker_errors_translated(broker: Broker | None = None) -> Iterator[None]:
    """Talk to a broker; what its driver raises becomes BrokerUnavailable, in words for people."""
    try:
        yield
    except redis_errors() as error:
        if broker and (refusal := broker.refusal(error)):
            raise BrokerUnavailable(refusal) from error
        text = _("Can not connect to Redis server.")
        raise BrokerUnavailable(f"{text} {error}") from error
    except Exception as error:  # each driver has errors of its own
        if isinstance(error, DatabaseError):
            close_old()
        text = _("Can not connect to the broker.")
        raise BrokerUnavailable(f"{text} {type(error).__name__}: {error}") from error
