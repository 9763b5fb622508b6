"""Figures for the screens, queried so rarely that this is no load for the servers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import Error as DatabaseError
from django.utils.translation import gettext as _

from django_q.brokers import Broker
from django_q.brokers.contract.orders import QueueControl
from django_q.brokers.other_queues import queue_label
from django_q.exceptions import BrokerUnavailable
from django_q.models import Task
from django_q.servers.advice import with_advice
from django_q.servers.connections import close_old, redis_errors
from django_q.unfinished.holds import hold_texts
from django_q.unfinished.reading import broker_for

#: Rows are counted up to this number: to count a million takes a database seconds.
MAX_COUNTED_ROWS = 100_000
#: The least seconds between two queries of the size of a queue.
QUEUE_SIZE_INTERVAL = 0.5
#: The least seconds between two counts of rows.
ROW_COUNT_INTERVAL = 5.0
#: A query that takes a second is repeated after this many seconds at the earliest.
QUERY_COST_FACTOR = 20


@dataclass(frozen=True)
class Figures:
    """The queue and the results in numbers; None where the database does not answer."""

    broker: str = ""  #: its kind and version
    queued: int = 0  #: tasks that wait
    locked: int = 0  #: tasks that are leased or delayed
    delayed: int = 0  #: tasks that wait until they are due
    dead: int = 0  #: packages that could not be decoded
    successes: int | None = 0  #: MAX_COUNTED_ROWS + 1 for any higher number
    failures: int | None = 0
    holds: dict[str, str] = field(default_factory=dict)  #: what holds queues back, by their names


class ThrottledValue:
    """A value that is queried again only after an interval, longer if the query is slow."""

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
    """Reads the figures of a broker and of the results repeatedly."""

    def __init__(self, broker: Broker) -> None:
        self.info = broker.info
        self.broker = broker
        self.holds: dict[str, ThrottledValue] = {}
        self.queued = ThrottledValue(broker.queue_size, QUEUE_SIZE_INTERVAL)
        self.locked = ThrottledValue(broker.lock_size, QUEUE_SIZE_INTERVAL)
        # More seldom: a database reads each row for it, where the sizes are counted in an index.
        self.delayed = ThrottledValue(lambda: broker.count_tasks().delayed, ROW_COUNT_INTERVAL)
        self.dead = ThrottledValue(broker.dead_size, ROW_COUNT_INTERVAL)
        self.successes = ThrottledValue(
            lambda: query_or_none(count_tasks, True), ROW_COUNT_INTERVAL
        )
        self.failures = ThrottledValue(
            lambda: query_or_none(count_tasks, False), ROW_COUNT_INTERVAL
        )

    def read(self, queues: Iterable[str] = ()) -> Figures:
        """Return the figures, each queried again if its interval is over.

        ``queues`` are the names of those that clusters take from, beside that of the broker.
        """
        return Figures(
            broker=self.info(),
            queued=self.queued(),
            locked=self.locked(),
            delayed=self.delayed(),
            dead=self.dead(),
            successes=self.successes(),
            failures=self.failures(),
            holds=self.read_holds({queue_label(self.broker.list_key), *filter(None, queues)}),
        )

    def read_holds(self, queues: Iterable[str]) -> dict[str, str]:
        """Tell what holds queues back, of those that something does."""
        for name in queues:
            if name not in self.holds:
                query = partial(read_hold, self.broker, name)
                self.holds[name] = ThrottledValue(query, QUEUE_SIZE_INTERVAL)
        texts = {name: self.holds[name]() for name in queues}
        return {name: text for name, text in texts.items() if text}


def read_hold(broker: Broker, queue: str) -> str:
    """Tell what holds a queue back; empty if nothing does."""
    if queue != queue_label(broker.list_key):
        broker = broker_for(queue)
    control = broker.control()
    if control == QueueControl():  # the usual case
        return ""
    return ", ".join(hold_texts(control, broker.count_tasks().leased))


def count_tasks(success: bool) -> int:
    """Count the tasks that succeeded, or failed, up to MAX_COUNTED_ROWS + 1."""
    # Not success=..., for which SQLite and MySQL do not use the index.
    tasks = Task.objects.filter(success__in=[success]).order_by()
    return tasks.values("success")[: MAX_COUNTED_ROWS + 1].count()


def query_or_none(query: Callable[..., Any], *args: Any) -> Any:
    """Query the database; return None if it does not answer."""
    try:
        return query(*args)
    except DatabaseError:
        close_old()  # so that the next query opens a connection that works
        return None


def figure_text(number: int | None) -> str:
    """Format a figure."""
    if number is None:
        return "?"
    return f"{MAX_COUNTED_ROWS}+" if number > MAX_COUNTED_ROWS else str(number)


@contextmanager
def broker_errors_translated(broker: Broker | None = None) -> Iterator[None]:
    """Raise BrokerUnavailable, with a readable text, for what the driver of a broker raises."""
    try:
        yield
    except redis_errors() as error:
        if broker and (refusal := broker.refusal(error)):
            raise BrokerUnavailable(refusal) from error
        text = _("Can not connect to Redis server.")
        raise BrokerUnavailable(with_advice(f"{text} {error}", error)) from error
    except Exception as error:  # each driver has its own classes of errors
        if isinstance(error, DatabaseError):
            close_old()
        text = _("Can not connect to the broker.")
        text = f"{text} {type(error).__name__}: {error}"
        raise BrokerUnavailable(with_advice(text, error)) from error
