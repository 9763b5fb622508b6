"""What a cluster says about itself: heartbeats that it leaves in the broker."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.translation import override

from django_q.brokers import Broker, get_broker
from django_q.conf import Conf, logger
from django_q.exceptions import PackageError
from django_q.signing import BadSignature, SignedPackage

#: A cluster that has been silent this long is gone; seconds. An idle one beats every five.
HEARTBEAT_TTL = 15

#: The states of a cluster in English, for where they travel without a language.
STATES = {
    "Starting": Conf.STARTING,
    "Working": Conf.WORKING,
    "Idle": Conf.IDLE,
    "Stopping": Conf.STOPPING,
    "Stopped": Conf.STOPPED,
}


def utc_now() -> datetime:
    """Tell the time, aware, whatever ``USE_TZ`` says."""
    return datetime.now(timezone.utc)


@dataclass
class Status:
    """A cluster's state at one moment; with nothing but its names, one that has stopped."""

    pid: int  #: of the process that started the cluster
    cluster_id: UUID | Any = None  #: the pid, for who knows nothing better
    _: KW_ONLY
    name: str = ""  #: what people call it, see humanhash
    queue: str = ""  #: the queue it works for
    host: str = field(default_factory=socket.gethostname)
    status: str = Conf.STOPPED  #: one of STATES; lazy, so it reads in the reader's language
    tob: datetime | None = None  #: time of birth
    timestamp: datetime = field(default_factory=utc_now)  #: when this was taken
    reincarnations: int = 0  #: processes that ended unasked and were replaced
    sentinel: int = 0  #: pid
    pusher: int = 0  #: pid
    monitor: int = 0  #: pid
    scheduler: int = 0  #: pid; 0 where this cluster runs no schedules
    workers: list[int] = field(default_factory=list)  #: pids
    pool_size: int = 0  #: workers it should have; 0: not told
    task_q_size: int = 0  #: tasks taken from the broker that no worker has begun
    done_q_size: int = 0  #: results that are not saved yet
    #: What workers run: (pid, name of the task, function, seconds it has run).
    current: list[tuple[int, str, str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.cluster_id is None:
            self.cluster_id = self.pid


class Stat(Status):
    """A heartbeat: a snapshot of plain values that a cluster saves and anybody reads.

    Clusters of Django Q and django-q2 read ours, and we read theirs.
    """

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # Behind the defaults, because those of the predecessors lack what is new here.
        self.__init__(state.get("pid", 0), state.get("cluster_id"))
        vars(self).update(state)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Stat:
        """Make a stat of what ``as_dict()`` gives, before or after it was JSON."""
        known = {each.name for each in fields(cls)}
        stat = cls(**{name: value for name, value in values.items() if name in known})
        stat.status = STATES.get(stat.status, stat.status)
        stat.tob, stat.timestamp = as_time(stat.tob), as_time(stat.timestamp)
        stat.current = [tuple(each) for each in stat.current]
        return stat

    def as_dict(self) -> dict[str, Any]:
        """Give the values in a form that JSON can carry, the state in English."""
        with override(None):
            return {
                **vars(self),
                "cluster_id": str(self.cluster_id),
                "status": str(self.status),
                "tob": self.tob and self.tob.isoformat(),
                "timestamp": self.timestamp.isoformat(),
                "current": [list(each) for each in self.current],
            }

    def uptime(self) -> float:
        """Tell how many seconds the cluster has lived."""
        if self.tob is None:
            return 0.0
        return (datetime.now(self.tob.tzinfo) - self.tob).total_seconds()

    def empty_queues(self) -> bool:
        """Say whether nothing waits inside the cluster."""
        return self.task_q_size + self.done_q_size == 0

    @property
    def key(self) -> str:
        """The key under which this is saved."""
        return self.get_key(self.cluster_id)

    @staticmethod
    def get_key(cluster_id: Any) -> str:
        """Name the key of a cluster's heartbeat."""
        return f"{Conf.Q_STAT}:{cluster_id}"

    def save(self, broker: Broker | None = None) -> None:
        """Leave this in the broker, for ``HEARTBEAT_TTL`` seconds."""
        value = self if Conf.SERIALIZER == "pickle" else self.as_dict()
        payload = SignedPackage.dumps(value, True)
        (broker or get_broker()).set_stat(self.key, payload, HEARTBEAT_TTL)

    @staticmethod
    def get(pid: Any, cluster_id: Any = None, broker: Broker | None = None) -> Status:
        """Read the heartbeat of one cluster; a ``Status`` that has stopped when there is none."""
        cluster_id = pid if cluster_id is None else cluster_id
        payload = (broker or get_broker()).get_stat(Stat.get_key(cluster_id))
        return (read(payload) if payload else None) or Status(pid, cluster_id)

    @staticmethod
    def get_all(broker: Broker | None = None) -> list[Stat]:
        """Read the heartbeats of all clusters that share our name, by host.

        Those that can not be read, or are signed by somebody else, are left out.
        """
        payloads = (broker or get_broker()).get_stats(f"{Conf.Q_STAT}:*") or []
        stats = [stat for stat in map(read, payloads) if stat]
        return sorted(stats, key=lambda stat: (stat.host, stat.queue, str(stat.cluster_id)))


def read(payload: str | bytes | None) -> Stat | None:
    """Read a heartbeat; None when it is not one of ours."""
    try:
        value = SignedPackage.loads(payload or "")
    except (BadSignature, PackageError) as error:
        logger.debug("A heartbeat was passed over: %s", error)
        return None
    if isinstance(value, dict):
        return Stat.from_dict(value)
    return value if isinstance(value, Stat) else None


def as_time(value: datetime | str | None) -> datetime | None:
    """Take a time as it is, or as JSON has it."""
    return parse_datetime(value) if isinstance(value, str) else value
