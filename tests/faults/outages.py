"""What is broken around a cluster: servers, networks, databases, disks, clocks."""

from __future__ import annotations

import contextlib
import resource
import signal
import sqlite3
import time

import psutil
import pytest
from django.db import OperationalError, connections

from tests.faults import disk
from tests.faults.clock import SteppedClock, library
from tests.faults.driver import RETRY, Run
from tests.faults.faults import SERVERS, fault, kill_tree
from tests.faults.proxy import Mode
from tests.faults.rigs import ALIAS

#: Ends all connections to PostgreSQL but one's own.
TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE client_port IS NOT NULL AND pid <> pg_backend_pid()"
)


def restart(run: Run, signum: int) -> None:
    """End the server of the run, and start it a moment later."""
    run.instant()
    ended = time.monotonic()
    run.rig.server.end(signum)
    run.rig.proxy.cut()
    run.instant(1)
    run.rig.server.start()
    connections[ALIAS].close()
    if time.monotonic() - ended > RETRY / 2:  # on a machine that has much to do
        run.lapse()


@fault("Redis killed and restarted", ("redis",), short=True)
def kill_redis(run: Run) -> None:
    """Kill Redis (``appendfsync always``), and start it again."""
    restart(run, signal.SIGKILL)


@fault("scripts flushed", ("redis",))
def flush_scripts(run: Run) -> None:
    """Let Redis forget its scripts, again and again (``SCRIPT FLUSH``)."""
    with run.rig.server.client() as client:
        for _ in range(20):
            client.script_flush()
            run.instant(0.05)


@fault("connections of Redis killed", ("redis",))
def kill_clients(run: Run) -> None:
    """Let Redis close the cluster's connections, again and again."""
    with run.rig.server.client() as client:
        for _ in range(5):
            run.instant(0.3)
            for port in run.rig.proxy.server_side():
                client.client_kill_filter(addr=f"127.0.0.1:{port}")


@fault("Redis out of memory", ("redis",))
def fill_redis(run: Run) -> None:
    """Let Redis reach ``maxmemory`` for a while."""
    run.instant()
    with run.rig.server.client() as client:
        client.config_set("maxmemory", "1mb")
        client.config_set("maxmemory-policy", "noeviction")
        time.sleep(run.random.uniform(0.5, 1.5))
        client.config_set("maxmemory", 0)


def fail_network(run: Run, mode: Mode, shortest: float, longest: float) -> None:
    """Let the network between cluster and server fail for a while."""
    run.instant()
    with run.rig.proxy.failing(mode):
        time.sleep(run.random.uniform(shortest, longest))


@fault("server refuses", SERVERS)
def refuse(run: Run) -> None:
    """Let the server refuse connections for a while."""
    fail_network(run, Mode.REFUSE, 0.3, 1.2)


@fault("server stalls", SERVERS)
def stall(run: Run) -> None:
    """Let the server hang for a while, shorter than a lease."""
    fail_network(run, Mode.STALL, 0.3, 1.2)


@fault("server slow", SERVERS)
def slow(run: Run) -> None:
    """Let the network be slow."""
    fail_network(run, Mode.DELAY, 0.5, 1.0)


@fault("connections cut", SERVERS)
def cut(run: Run) -> None:
    """Cut the cluster's connections in the middle of whatever they carry."""
    for _ in range(5):
        run.instant(0.3)
        run.rig.proxy.cut()


@fault("producer's connection cut", ("redis",))
def cut_producer(run: Run) -> None:
    """Cut the connections of who enqueues, too."""
    run.use_proxy_to_produce()
    for _ in range(8):
        run.instant(0.2)
        run.rig.proxy.cut()


@fault("replies lost", SERVERS)
def lose_replies(run: Run) -> None:
    """Let requests arrive, and lose their replies."""
    fail_network(run, Mode.DEAF, 0.1, 0.5)


@fault("server away longer than a lease", SERVERS)
def away(run: Run) -> None:
    """Let the server hang or refuse for longer than leases last."""
    fail_network(run, run.random.choice([Mode.STALL, Mode.REFUSE]), RETRY * 1.5, RETRY * 2)
    run.lapse()


@fault("PostgreSQL restarted", ("postgres",))
def restart_postgres(run: Run) -> None:
    """Crash PostgreSQL, and let it recover."""
    restart(run, signal.SIGQUIT)


@fault("backends terminated", ("postgres",))
def terminate_backends(run: Run) -> None:
    """End the cluster's connections by ``pg_terminate_backend``."""
    for _ in range(5):
        run.instant(0.3)
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(TERMINATE)


@fault("MariaDB killed and restarted", ("mysql",))
def restart_mariadb(run: Run) -> None:
    """Kill MariaDB, and let it recover."""
    restart(run, signal.SIGKILL)


@fault("connections of MariaDB killed", ("mysql",))
def kill_connections(run: Run) -> None:
    """End the cluster's connections by ``KILL``."""
    for _ in range(5):
        run.instant(0.3)
        for number in run.rig.others():
            with contextlib.suppress(OperationalError), connections[ALIAS].cursor() as cursor:
                cursor.execute(f"KILL {number}")  # it may have ended meanwhile


@fault("database locked", ("redis", "sqlite"))
def lock_database(run: Run) -> None:
    """Lock the SQLite file for longer than its time-out."""
    run.instant()
    connection = sqlite3.connect(run.rig.file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    time.sleep(run.random.uniform(2.5, 4))
    connection.execute("ROLLBACK")
    connection.close()
    run.lapse()  # of a queue in that file leases can not be extended meanwhile


@fault("clock stepped", ("redis", "postgres"))
def step_clock(run: Run) -> None:
    """Step the clock of the cluster's host by an hour and a day, to and fro."""
    if library() is None:
        pytest.skip("no C compiler: the clock can not be stepped")
    clock = SteppedClock(run.rig.directory)
    assert run.cluster.stop() == 0
    run.rig.extra = clock.environment()
    run.start_cluster()
    for step in (3600, -3600, 86400, 0):
        run.instant(0.4)
        clock.step(step)


def without_kept_keys(run: Run) -> None:
    """Enqueue no tasks whose unique key outlives them: by a clock that is an hour ahead for now."""
    run.keeps_keys = False


# Not MariaDB: version 10.11 hangs by itself, and ends, when its clock is stepped.
@fault("server's clock stepped", ("redis", "postgres"), prepare=without_kept_keys)
def step_server_clock(run: Run) -> None:
    """Step the clock of the server by an hour and back, and kill the cluster before or after."""
    clock = run.rig.server.clock
    if clock is None:
        pytest.skip("no C compiler: the clock can not be stepped")
    kill_after = run.random.randrange(3)
    for number, step in enumerate(run.random.choice([(3600, 0), (-3600, 0)])):
        run.instant(0.4)
        if number == kill_after:
            kill_tree(run)
        run.lapse()  # leases that an hour ends
        clock.step(step)
        time.sleep(run.random.uniform(1.5, 2.5))  # or nobody has noticed
    if kill_after == 2:
        kill_tree(run)


def without_delays(run: Run) -> None:
    """Enqueue no tasks that wait for a time: the clock will be set back for good."""
    run.has_delays = False


@fault("server's clock set back while nobody works", ("redis", "postgres"), prepare=without_delays)
def set_clock_back(run: Run) -> None:
    """Kill the whole cluster, set the server's clock back by an hour, and start another."""
    if run.rig.server.clock is None:
        pytest.skip("no C compiler: the clock can not be stepped")
    run.instant()
    with run.crash():
        run.cluster.kill_all()
    run.rig.server.clock.step(-3600)
    run.start_cluster()


@fault("disk full", ("redis", "sqlite"), small_disk=True)
def fill_disk(run: Run) -> None:
    """Fill the disk of the database for a while."""
    run.instant()
    with disk.filled(run.rig.folder):
        time.sleep(run.random.uniform(0.5, 1.5))
    run.lapse()  # who can not pass a result on ends, and its task runs again


@fault("files that may not grow", ("redis", "sqlite"))
def limit_files(run: Run) -> None:
    """Let no file of the cluster grow for a while."""
    run.instant()
    size = max(run.cluster.log_file.stat().st_size + 100_000, 150_000)
    for process in run.cluster.processes():
        with contextlib.suppress(psutil.Error):
            process.rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    time.sleep(run.random.uniform(0.5, 1.5))
    for process in run.cluster.processes():
        with contextlib.suppress(psutil.Error):
            process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    run.lapse()  # who can not pass a result on ends, and its task runs again
