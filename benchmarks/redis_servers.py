"""Drain a queue by two clusters, on Redis servers of several kinds, and by one cluster.

The tasks are plain, and no results are saved. The queue is filled while it is paused, and taken
from when all clusters are idle. Each kind has servers of its own, which are started for the run:
one server (that of ``--redis``, where it is given), a master with a replica and the sentinel that
names it, three servers that are a Redis Cluster, and one server with the user that the
documentation gives a cluster. TLS is left out: the servers of the wheels are built without it.

"CPU us/task" is the processor time of all clusters. In brackets stands the ratio to one cluster on
one server.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.draining import rates
from benchmarks.processes import cpu_seconds
from benchmarks.session import BenchmarkContext, Session
from benchmarks.sides import Side
from tests.deployments import Deployment
from tests.redis_cluster import redis_cluster
from tests.servers import RedisServer, documented_users

#: The name of the project whose keys the users of the documentation may use.
DOCUMENTED_NAME = "shop"

#: Options of ``Q_CLUSTER`` that name the server; none for the one that all measures use.
Options = dict[str, Any]


def plain(context: BenchmarkContext) -> Options:
    """Use the server of all measures, which has nothing in it."""
    return {}


def behind_sentinel(context: BenchmarkContext) -> Options:
    """Use a master that a sentinel names."""
    deployment = sentinel_deployment()
    with deployment.master.client() as client:
        client.flushall()
    return {"redis": deployment.options}


def in_redis_cluster(context: BenchmarkContext) -> Options:
    """Use three servers that are a Redis Cluster."""
    redis_cluster().flush()
    return {"redis": redis_cluster().options}


def as_user(context: BenchmarkContext) -> Options:
    """Use a server as the user that the documentation gives a cluster."""
    server = server_with_users()
    with server.client() as root:
        root.flushall()
    url = f"redis://{DOCUMENTED_NAME}:secret@127.0.0.1:{server.port}/0"
    return {"redis": url, "name": DOCUMENTED_NAME}


@cache
def sentinel_deployment() -> Deployment:
    """Start a master, a replica and a sentinel; they end with the run."""
    return Deployment().start()


@cache
def server_with_users() -> RedisServer:
    """Start a server with the users of the documentation; it ends with the run."""
    server = RedisServer()
    server.start()
    with server.client() as root:
        for command in documented_users():
            root.execute_command(*command.split())
    return server


#: What is measured: the number of clusters, and their server.
VARIANTS: dict[str, tuple[int, Callable[[BenchmarkContext], Options]]] = {
    "one cluster": (1, plain),
    "two clusters": (2, plain),
    "two, Redis Sentinel": (2, behind_sentinel),
    "two, Redis Cluster": (2, in_redis_cluster),
    "two, user with ACL": (2, as_user),
}


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample."""
    clusters, make_options = VARIANTS[case.variant]
    with context.session(side, case.configuration, **make_options(context)) as session:
        session.call("pause")
        session.call("enqueue", number=context.options.tasks, batch=True)
        return drain_together(session, clusters)


def drain_together(session: Session, clusters: int) -> dict[str, float]:
    """Let so many clusters begin at one moment, and time them from the first task's end."""
    options = session.context.options
    pids = [session.start_cluster() for _ in range(clusters)]
    session.finish(session.begin("await_clusters", number=clusters), options.limit)
    cpu = sum(map(cpu_seconds, pids))
    session.call("resume")
    session.wait_for_records(options.tasks, options.limit)
    cpu = sum(map(cpu_seconds, pids)) - cpu
    found = rates([time for time, _ in session.records()], 0, cpu)
    del found["run/s"]  # the same, as nothing is saved
    return found


MEASURE = Measure(
    "redis_servers",
    "Drain, clusters and servers",
    sample,
    ("redis-none",),
    variants=tuple(VARIANTS),
    charted_column="tasks/s",
)

if __name__ == "__main__":
    main(MEASURE)
