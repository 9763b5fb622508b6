"""The clusters: whether one lives, what is wrong with each, and whether the name is shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.dashboard.display import coarse_duration
from django_q.doctor.findings.finding import Finding, counted, error, info, warning
from django_q.doctor.findings.heartbeats import count_foreign_heartbeats, expired_heartbeats
from django_q.status import Stat, heartbeat_age
from django_q.unfinished.queues import is_foreign
from django_q.unfinished.reading import broker_for, counts_of

#: Seconds after which an idle cluster, which writes every five, is late.
LATE_HEARTBEAT_SECONDS = 8
#: Processes that ended unasked, from which a cluster is examined more closely, and how many an
#: hour are too many.
MIN_RESTARTS, MAX_RESTARTS_PER_HOUR = 3, 6


def examine() -> Iterator[Finding]:
    """Look at all clusters of this project, and at who else uses its name."""
    broker = broker_for(None)
    yield from clash_findings(broker)
    stats = Stat.get_all(broker)
    if not Conf.SYNC and not getattr(broker, "is_process_local", False):
        yield from absence_findings(broker, stats)
    for stat in stats:
        yield from cluster_findings(stat)
    yield from death_findings(expired_heartbeats(broker))


def clash_findings(broker: Broker) -> Iterator[Finding]:
    """Find another project under the same name, or this one with another key."""
    cure = (
        "If it is another project, give each its own Q_CLUSTER['name'], or its own database of "
        "Redis. If it is this one, give all processes the same SECRET_KEY and 'name'."
    )
    if number := count_foreign_heartbeats(broker):
        yield error(
            "name-clash",
            f"The name '{Conf.PREFIX}' is used with another key as well, by "
            f"{counted(number, 'cluster')}: they take tasks of this project, which they can not "
            "read, and the other way round.",
            cure,
        )
    if is_foreign(broker):
        yield error(
            "foreign-tasks",
            f"The first task in the queue '{Conf.CLUSTER_NAME}' is signed with another key: a "
            "cluster of this project would move it to the dead-letter queue.",
            cure,
        )


def absence_findings(broker: Broker, stats: Sequence[Stat]) -> Iterator[Finding]:
    """Say that no cluster lives, and what one that has died still holds."""
    if stats:
        serving = [stat for stat in stats if stat.queue in ("", Conf.CLUSTER_NAME)]
    else:
        counts = counts_of(broker)
        make = error if any(counts[:3]) else warning
        yield make(
            "no-cluster",
            f"No cluster of '{Conf.PREFIX}' is alive: "
            f"{counted(counts.waiting, 'waiting task')}, and no schedule is run.",
            "Start one: manage.py qcluster, under systemd, supervisor or a container.",
        )
        serving = []
    leased = 0 if serving else counts_of(broker).leased
    if leased:
        yield error(
            "cluster-dead",
            f"A cluster of '{Conf.CLUSTER_NAME}' that is not alive any more holds "
            f"{counted(leased, 'task')}.",
            f"Start a cluster of this queue: it gets them when their leases end, at most "
            f"{Conf.RETRY:g} seconds after that death.",
        )


def death_findings(stats: Sequence[Stat]) -> Iterator[Finding]:
    """Tell of clusters that are gone without having been stopped, by their last heartbeats."""
    for stat in stats:
        if stat.status not in (Conf.STOPPED, Conf.STOPPING):
            yield warning(
                "cluster-died",
                f"{title_of(stat)} ended without a stop {coarse_duration(heartbeat_age(stat))} "
                "ago, or can not reach the broker any more.",
                "Look into its log and that of the system: it was killed, as for memory, or its "
                "machine went down. Start it again unless that has happened.",
            )


def title_of(stat: Stat) -> str:
    """Name a cluster."""
    return f"The cluster {stat.name or stat.cluster_id} on {stat.host}"


def cluster_findings(stat: Stat) -> Iterator[Finding]:
    """Look at the heartbeat of one cluster."""
    name, age = title_of(stat), heartbeat_age(stat)
    if stat.status == Conf.STOPPED:
        return
    if age > LATE_HEARTBEAT_SECONDS:
        yield warning(
            "cluster-late",
            f"{name} has not been heard of for {age:.0f} seconds: it was killed, or stands still.",
            "Look whether its process is there, and into its log; start it again.",
        )
    if stat.status in (Conf.IDLE, Conf.WORKING) and not stat.workers:
        yield error(
            "cluster-without-workers",
            f"{name} has no worker: it can not start processes, or they end at once.",
            "Look into its log for the reason; memory or the limit of processes may be used up.",
        )
    hours = max(stat.uptime() / 3600, 1.0)
    if stat.reincarnations > max(MIN_RESTARTS, MAX_RESTARTS_PER_HOUR * hours):
        yield warning(
            "cluster-restarts",
            f"{name} has replaced {stat.reincarnations} processes that died in "
            f"{coarse_duration(stat.uptime())}; their tasks begin again.",
            "Look into its log for 'died': memory may be used up (set 'max_rss'), or C code fails.",
        )
    if stat.status == Conf.STARTING and stat.uptime() > 60:
        yield info(
            "cluster-starting",
            f"{name} has been starting for {stat.uptime():.0f} seconds.",
            "Look into its log: its broker may be away, or a module takes long to import.",
        )
