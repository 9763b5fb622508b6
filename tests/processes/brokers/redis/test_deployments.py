"""Real clusters on what a larger site has: TLS and users, several hosts, Redis Cluster."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable, Iterator

import pytest
import redis

from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import Success
from django_q.status import Stat
from django_q.tasks import async_task, result
from tests import servers
from tests.clusters import RunningCluster
from tests.redis_cluster import redis_cluster
from tests.servers import RedisServer
from tests.tls_relay import TlsRelay
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

CLONE_NEWUTS, CLONE_NEWUSER = 0x04000000, 0x10000000


@pytest.fixture
def relay(tmp_path) -> Iterator[TlsRelay]:
    """TLS in front of a Redis server that knows the users of the documentation alone."""
    server = RedisServer().start()
    with server.client() as root:
        for command in servers.documented_users():
            root.execute_command(*command.split())
        root.execute_command("ACL", "SETUSER", "default", "off")
        with TlsRelay(server.port, tmp_path) as relay:
            yield relay
    server.kill()


def test_a_cluster_works_over_tls_as_a_user_who_may_do_little(relay, conf, running_cluster):
    address = f"localhost:{relay.port}/0"
    certificates = {
        "ssl_ca_certs": str(relay.authority_file),
        "ssl_certfile": str(relay.client_file),
    }
    cluster = running_cluster(
        redis={"url": f"rediss://shop:secret@{address}", **certificates}, name="shop", workers=1
    )

    conf(redis={"url": f"rediss://web:secret@{address}", **certificates}, name="shop")
    conf(cluster_name="shop")
    task_id = async_task("tests.tasks.multiply", 6, 7)

    assert result(task_id, wait=60_000) == 42
    assert relay.versions == {"TLSv1.3"}
    assert cluster.stop() == 0
    assert "ERROR" not in cluster.log()


def test_a_client_without_a_certificate_or_with_a_wrong_password_is_refused(relay, conf):
    address = f"localhost:{relay.port}/0"
    trusted = {"ssl_ca_certs": str(relay.authority_file), "retry": None}
    certificate = {"ssl_certfile": str(relay.client_file)}
    for options, error in (
        ({"url": f"rediss://web:secret@{address}", "retry": None}, redis.ConnectionError),
        ({"url": f"rediss://web:secret@{address}", **trusted}, redis.ConnectionError),
        ({"url": f"rediss://web:wrong@{address}", **trusted, **certificate}, redis.RedisError),
    ):
        conf(redis=options)
        with pytest.raises(error):
            get_broker().enqueue("a")


def host_named(name: str) -> Callable[[], None]:
    """Make what gives a process a host name of its own, as on another machine."""

    def prepare() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        flags = CLONE_NEWUTS | (0 if os.geteuid() == 0 else CLONE_NEWUSER)
        if libc.unshare(flags):
            raise OSError(ctypes.get_errno(), "unshare")
        socket.sethostname(name)

    return prepare


def test_two_hosts_work_for_one_queue_and_one_goes_on_for_the_other(
    broker, running_cluster, monkeypatch
):
    hosts: dict[str, RunningCluster] = {}
    for name in ("alpha", "beta"):
        monkeypatch.setattr(RunningCluster, "prepare", staticmethod(host_named(name)))
        hosts[name] = running_cluster(workers=1, retry=3, timeout=2)
    wait_until(lambda: {stat.host for stat in Stat.get_all()} == {"alpha", "beta"})

    ids = [async_task("tests.tasks.sleep_for", 0.1) for _ in range(40)]
    wait_until(lambda: len(workers_of(ids)) == 2)
    hosts["alpha"].kill_all()

    wait_until(lambda: Success.objects.filter(id__in=ids).count() == len(ids))
    assert hosts["beta"].stop() == 0


def workers_of(ids: list[str]) -> set[str]:
    """Find which workers have run tasks, each with its host."""
    return set(Success.objects.filter(id__in=ids).values_list("worker", flat=True))


def test_a_cluster_goes_on_when_its_queue_moves_inside_redis_cluster(conf, running_cluster):
    nodes = redis_cluster()
    conf(redis=nodes.options)
    cluster = running_cluster(redis=nodes.options, workers=1)
    assert result(async_task("tests.tasks.multiply", 6, 7), wait=60_000) == 42

    nodes.move_slot(Conf.Q_LIST)
    ids = [async_task("tests.tasks.multiply", number, 2) for number in range(20)]

    wait_until(lambda: Success.objects.filter(id__in=ids).count() == 20)
    assert [stat.pid for stat in Stat.get_all()] == [cluster.pid]
    assert cluster.stop() == 0
    nodes.flush()
