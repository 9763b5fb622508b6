"""Heartbeats: the state of a cluster, which it saves in the broker and others read."""

from __future__ import annotations

import io
import math
import socket
import time
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.translation import override

from django_q.brokers import Broker, get_broker
from django_q.conf import Conf, logger
from django_q.exceptions import PackageError
from django_q.signing import SignedPackage, is_result
from django_q.text.error_text import error_summary
from django_q.wire import heartbeat_format as shape

#: Seconds after which a heartbeat expires, and the cluster counts as gone. An idle cluster sends
#: one every five seconds.
HEARTBEAT_TTL = 15

#: Seconds between two warnings of a process that no cluster runs.
UNSERVED_WARNING_INTERVAL = 60

#: Seconds. An older heartbeat was written again by somebody else, as it would have expired before.
#: The difference to ``HEARTBEAT_TTL`` is what clocks of hosts may differ by.
MAX_HEARTBEAT_AGE = 60

#: The states of a cluster by their English names, as which they travel in JSON.
STATES = {
    "Starting": Conf.STARTING,
    "Working": Conf.WORKING,
    "Idle": Conf.IDLE,
    "Stopping": Conf.STOPPING,
    "Stopped": Conf.STOPPED,
}


def utc_now() -> datetime:
    """Return the time in UTC, aware whether or not ``USE_TZ`` is set."""
    return datetime.now(timezone.utc)


@dataclass
class Status:
    """A cluster's state at one moment. With default values it is that of a stopped cluster."""

    pid: int  #: of the process that started the cluster
    cluster_id: UUID | Any = None  #: the pid unless given
    _: KW_ONLY
    name: str = ""  #: four words, see humanhash
    queue: str = ""  #: the queue it takes tasks from
    host: str = field(default_factory=socket.gethostname)
    status: str = Conf.STOPPED  #: one of STATES; lazy, so it is shown in the reader's language
    tob: datetime | None = None  #: when it was started
    timestamp: datetime = field(default_factory=utc_now)  #: when this was taken
    reincarnations: int = 0  #: processes that ended unasked and were replaced
    sentinel: int = 0  #: pid
    pusher: int = 0  #: pid
    monitor: int = 0  #: pid
    scheduler: int = 0  #: pid; 0 in a cluster that runs no schedules and relays no outbox
    workers: list[int] = field(default_factory=list)  #: pids
    pool_size: int = 0  #: workers it should have; 0: unknown
    task_q_size: int = 0  #: tasks taken from the broker that no worker has begun
    done_q_size: int = 0  #: results that are not saved yet
    finished: int = 0  #: deliveries that its workers have finished since it was started
    failed: int = 0  #: of these, runs that have failed, also those that are tried again
    #: What workers run: (pid, name of the task, function, seconds it has run).
    current: list[tuple[int, str, str, float]] = field(default_factory=list)
    #: The same with more of each task: pid, id, name, func, group, attempt, since (when it was
    #: enqueued, in seconds since the epoch), seconds. Empty in heartbeats of earlier releases.
    running: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.cluster_id is None:
            self.cluster_id = self.pid


class Stat(Status):
    """A heartbeat: a snapshot of plain values that a cluster saves and anybody reads.

    Clusters of Django Q and django-q2 read ours, and we read theirs.
    """

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # After the defaults, because heartbeats of the predecessors lack the newer fields.
        known = {each.name for each in fields(self)}
        self.__init__(state.get("pid", 0), state.get("cluster_id"))
        vars(self).update({name: value for name, value in state.items() if name in known})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Stat:
        """Make a stat from what ``as_dict()`` returns, before or after it was JSON.

        Raises ``PackageError`` for anything else.
        """
        if "pid" not in values or "func" in values:
            raise PackageError("It is no heartbeat.")
        known = {each.name for each in fields(cls)}
        stat = cls(**{name: value for name, value in values.items() if name in known})
        stat.status = STATES.get(stat.status, stat.status)
        stat.tob, stat.timestamp = parsed_time(stat.tob), parsed_time(stat.timestamp)
        stat.current = [tuple(each) for each in stat.current]
        return stat

    def as_dict(self) -> dict[str, Any]:
        """Return the values in a form that JSON can carry, with the state in English."""
        with override(None):
            return {
                **vars(self),
                "cluster_id": str(self.cluster_id),
                "status": str(self.status),
                "tob": self.tob and self.tob.isoformat(),
                "timestamp": self.timestamp.isoformat(),
                "current": [list(each) for each in self.current],
                "running": [dict(each) for each in self.running],
            }

    def uptime(self) -> float:
        """Return the seconds since the cluster was started."""
        if self.tob is None:
            return 0.0
        return (datetime.now(self.tob.tzinfo) - self.tob).total_seconds()

    def empty_queues(self) -> bool:
        """Return True if nothing waits inside the cluster."""
        return self.task_q_size + self.done_q_size == 0

    @property
    def key(self) -> str:
        """The key under which this is saved."""
        return self.get_key(self.cluster_id)

    @staticmethod
    def get_key(cluster_id: Any) -> str:
        """Return the key of a cluster's heartbeat."""
        return f"{Conf.Q_STAT}:{cluster_id}"

    def save(self, broker: Broker | None = None) -> None:
        """Save this in the broker for ``HEARTBEAT_TTL`` seconds."""
        value = self if Conf.SERIALIZER == "pickle" else self.as_dict()
        payload = SignedPackage.dumps(value, True)
        (broker or get_broker()).set_stat(self.key, payload, HEARTBEAT_TTL)

    @staticmethod
    def get(pid: Any, cluster_id: Any = None, broker: Broker | None = None) -> Status:
        """Read the heartbeat of one cluster; a stopped ``Status`` when there is none."""
        cluster_id = pid if cluster_id is None else cluster_id
        payload = (broker or get_broker()).get_stat(Stat.get_key(cluster_id))
        stat = read_heartbeat(payload) if payload else None
        is_its_own = stat is not None and str(stat.cluster_id) == str(cluster_id)
        return stat if is_its_own else Status(pid, cluster_id)

    @staticmethod
    def get_all(broker: Broker | None = None) -> list[Stat]:
        """Read the heartbeats of all clusters of this project that run, sorted by host.

        Those that can not be read, are signed with another key, or are old are left out.
        """
        payloads = (broker or get_broker()).get_stats(f"{Conf.Q_STAT}:*") or []
        stats = sorted(
            (stat for stat in map(read_heartbeat, payloads) if stat),
            key=heartbeat_age,
            reverse=True,
        )
        latest = {str(stat.cluster_id): stat for stat in stats}  # one for each cluster
        # The last heartbeat of a cluster says that it has stopped, and is kept as any other.
        alive = (stat for stat in latest.values() if stat.status != Conf.STOPPED)
        return sorted(alive, key=lambda s: (s.host, s.queue, str(s.cluster_id)))


def read_heartbeat(payload: str | bytes | None) -> Stat | None:
    """Read a heartbeat; None when it is not one of ours, or an old one."""
    try:
        stat = parsed_heartbeat(payload)
    except Exception as error:  # anything may have been written in place of a heartbeat
        logger.debug("A heartbeat was ignored: %s", error_summary(error))
        return None
    if heartbeat_age(stat) > MAX_HEARTBEAT_AGE:
        warn_old_heartbeat(str(stat.cluster_id), stat.host)
        return None
    return stat


def parsed_heartbeat(payload: str | bytes | None) -> Stat:
    """Parse a heartbeat of any age. Raises ``BadSignature``, or any error, if it is not ours."""
    if is_result(payload or ""):
        raise PackageError("It is the result of a task.")
    value = SignedPackage.loads(
        payload or "", unpickled_heartbeat if Conf.SERIALIZER != "json" else None
    )
    stat = Stat.from_dict(value) if isinstance(value, dict) else value
    shape.check_heartbeat(stat, Stat)
    return stat


def unpickled_heartbeat(data: bytes) -> Any:
    """Unpickle a heartbeat. Raises ``PackageError`` for anything else."""
    return shape.HeartbeatUnpickler(io.BytesIO(data)).load()


def heartbeat_age(stat: Stat) -> float:
    """Return the age of a heartbeat in seconds; its time is by the clock of its host."""
    return (datetime.now(stat.timestamp.tzinfo) - stat.timestamp).total_seconds()


@lru_cache(maxsize=100)
def warn_old_heartbeat(cluster_id: str, host: str) -> None:
    """Log once that the heartbeat of a cluster is ignored because of its age."""
    logger.warning(
        "a heartbeat of cluster %s on %s is more than %s seconds old and is ignored: an old one "
        "was written again, or the clocks of that host and of this one differ",
        cluster_id,
        host,
        MAX_HEARTBEAT_AGE,
    )


def parsed_time(value: datetime | str | None) -> datetime | None:
    """Parse a time that is text; leave anything else, as ``check_heartbeat`` refuses it."""
    return (parse_datetime(value) or value) if isinstance(value, str) else value


class UnservedQueueWarning:
    """What this process has said about clusters that do not run."""

    is_first_call = True  #: whether it has not enqueued anything yet
    last_at = -math.inf  #: when it was said last; monotonic


def warn_if_unserved(broker: Broker | None = None, queue: str | None = None) -> None:
    """Log that no cluster is alive that serves a queue, or any; at most once a minute."""
    now = time.monotonic()
    if now - UnservedQueueWarning.last_at < UNSERVED_WARNING_INTERVAL:
        return
    try:
        broker = broker or get_broker()
        served = {stat.queue for stat in Stat.get_all(broker)}
    except Exception as error:  # it is no more than a hint
        logger.debug("whether a cluster runs is not known: %s", error_summary(error))
        return
    # A heartbeat of a predecessor names no queue. There is no cluster for a queue in memory.
    is_served = bool(served) if queue is None else not served.isdisjoint({queue, ""})
    if is_served or getattr(broker, "is_process_local", False):
        return
    UnservedQueueWarning.last_at = now
    logger.warning(
        "no cluster is alive%s, so tasks wait: start one with manage.py qcluster",
        f" that serves the queue '{queue}'" if queue else "",
    )
