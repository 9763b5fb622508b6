"""What is wrong with a Redis server, each set on a real one."""

from __future__ import annotations

import pytest

from django_q.doctor.subjects.redis_server import examine, find_full_memory, find_old
from tests.integration.doctor.found import found
from tests.servers import RedisServer

pytestmark = pytest.mark.once


def test_a_server_that_keeps_everything_has_no_finding(root):
    assert found(examine) == {}


@pytest.mark.parametrize(
    ("policy", "limit", "level"),
    [
        ("allkeys-lru", "100mb", "error"),
        ("allkeys-lru", "0", "warning"),
        ("volatile-ttl", "100mb", "warning"),
    ],
)
def test_a_server_that_removes_keys_is_found(policy, limit, level, root):
    root.config_set("maxmemory", limit)
    root.config_set("maxmemory-policy", policy)

    finding = found(examine)["redis-evicts"]

    assert (finding.level, policy in finding.found) == (level, True)
    assert "noeviction" in finding.cure


def test_a_server_that_is_nearly_full_is_found(root):
    used = root.info("memory")["used_memory"]

    assert list(find_full_memory({"maxmemory": used * 2, "used_memory": used})) == []
    root.config_set("maxmemory", int(used * 1.05))
    assert "redis-memory" in found(examine)


def test_a_server_that_saves_nothing_is_found(root):
    root.config_set("appendonly", "no")

    assert found(examine).keys() == {"redis-not-persistent"}

    root.config_set("save", "3600 1")
    assert found(examine) == {}
    root.config_set("save", "")


def test_a_server_that_could_not_save_is_found(own_server, root, wait_until):
    root.set("any", "value")
    (own_server.directory / "dump.rdb").mkdir(exist_ok=True)  # where the file would be
    try:
        root.bgsave()
        wait_until(lambda: root.info("persistence")["rdb_last_bgsave_status"] != "ok")
        assert "rdb_last_bgsave_status" in found(examine)["redis-not-saved"].found
    finally:
        (own_server.directory / "dump.rdb").rmdir()
        root.save()
        root.bgsave()
        wait_until(lambda: root.info("persistence")["rdb_last_bgsave_status"] == "ok")


def test_a_replica_is_found(own_server, conf):
    replica = RedisServer(replicaof=f"127.0.0.1 {own_server.port}").start()
    conf(redis=replica.url)
    try:
        assert found(examine)["broker-read-only"].level == "error"
    finally:
        replica.stop()


def test_an_old_server_is_found():
    assert [each.id for each in find_old({"redis_version": "5.0.7"})] == ["redis-old"]
    assert list(find_old({"redis_version": "6.2.14"})) == []


@pytest.mark.parametrize(
    ("rules", "finding_id", "cure"),
    [
        ("-hset", "redis-permission", "+hset"),
        ("-eval -evalsha", "redis-permission", "+eval"),
        ("-blmove", "redis-wait-permission", "+blmove"),
        ("resetchannels", "redis-channel-permission", "&django_q:*"),
        ("-info", "redis-unknown", "+info"),
    ],
)
def test_what_a_user_may_not_do_is_found_with_the_rule_that_permits_it(
    rules, finding_id, cure, own_server, root, conf
):
    user = ["on", ">pw", "~*", "&*", "+@all"]
    root.execute_command("ACL", "SETUSER", "limited", "reset", *user, *rules.split())
    conf(redis=own_server.url.replace("//", "//limited:pw@"))

    findings = found(examine)

    assert cure in findings[finding_id].cure
