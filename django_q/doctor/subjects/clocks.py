"""The clocks of this host, of the broker, of databases, and of the hosts of clusters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from django.db import connections, router
from redis.exceptions import ResponseError

from django_q.brokers.redis.broker import Redis
from django_q.conf import Conf
from django_q.doctor.findings.finding import Finding, error, warning
from django_q.doctor.findings.heartbeats import readable_heartbeats
from django_q.models import Task
from django_q.servers.database_clock import SQL_TIME_BY_VENDOR, database_now
from django_q.status import HEARTBEAT_TTL, MAX_HEARTBEAT_AGE, Stat, heartbeat_age
from django_q.unfinished.reading import broker_for

#: Seconds that clocks may differ by; those that are kept by NTP differ by milliseconds.
MAX_CLOCK_SKEW = 2.0
#: Seconds from which heartbeats are ignored, or leases are misjudged.
HARMFUL_CLOCK_SKEW = float(MAX_HEARTBEAT_AGE - HEARTBEAT_TTL)
CURE = "Keep all clocks by NTP: timedatectl set-ntp true, chrony, or that of the virtual machine."


def examine() -> Iterator[Finding]:
    """Compare the clock of this host with the others."""
    for name, read_clock in server_clocks():
        yield from skew_findings(f"The clock of {name}", skew_of(read_clock))
    for stat in readable_heartbeats(broker_for(None)):
        yield from skew_findings(f"The clock of the host {stat.host}", heartbeat_skew(stat))


def server_clocks() -> Iterator[tuple[str, Callable[[], float]]]:
    """Yield what has a clock of its own, with a function that reads it in seconds."""
    broker = broker_for(None)
    broker = getattr(broker, "broker", broker)
    if isinstance(broker, Redis):
        yield "Redis", lambda: redis_time(broker)
    for alias in {router.db_for_write(Task), Conf.ORM or router.db_for_write(Task)}:
        if connections[alias].vendor in SQL_TIME_BY_VENDOR:
            name = f"the database '{alias}'"
            yield name, lambda alias=alias: database_now(alias).timestamp()


def redis_time(broker: Redis) -> float:
    """Read the clock of Redis; where this user may not, that of this host."""
    try:
        seconds, microseconds = broker.connection.time()
    except (ResponseError, ValueError):  # a Redis Cluster has many clocks
        return time.time()
    return seconds + microseconds / 1e6


def skew_of(read_clock: Callable[[], float]) -> float:
    """Return by how many seconds a clock is ahead of that of this host at least; 0 if by none."""
    read_clock()  # connects
    before = time.time()
    theirs = read_clock()
    after = time.time()
    return beyond(theirs, before, after)


def heartbeat_skew(stat: Stat) -> float:
    """Return by how many seconds the clock of a cluster's host is ahead at least."""
    return beyond(-heartbeat_age(stat), -HEARTBEAT_TTL, 0)


def beyond(value: float, lowest: float, highest: float) -> float:
    """Return by how much a value is above or, negative, below a range; 0 inside."""
    return value - highest if value > highest else min(value - lowest, 0.0)


def skew_findings(what: str, skew: float) -> Iterator[Finding]:
    """Say by how much a clock is wrong, if it is."""
    if abs(skew) <= MAX_CLOCK_SKEW:
        return
    direction = "ahead of" if skew > 0 else "behind"
    found = f"{what} is {abs(skew):.1f} s {direction} that of this host."
    if abs(skew) < HARMFUL_CLOCK_SKEW:
        text = f"{found} Waiting times and ages are wrong by that much."
        yield warning("clock-skew", text, CURE)
    else:
        text = f"{found} Heartbeats are taken for old ones, and clusters for dead."
        yield error("clock-skew", text, CURE)
