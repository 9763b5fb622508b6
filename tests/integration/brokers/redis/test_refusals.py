"""What Redis refuses, told with the permission or the key that is wrong."""

from __future__ import annotations

import threading

import pytest
from redis import exceptions as errors

from django_q.brokers import get_broker
from django_q.brokers.redis.producer import MAX_VALUES_PER_PUSH
from django_q.brokers.redis_broker import Redis
from django_q.brokers.terms import Terms
from django_q.conf import Conf
from tests.integration.brokers.redis.keys import key_of

pytestmark = pytest.mark.once


@pytest.mark.parametrize("command", ["multi", "exec", "rpush"])
def test_many_payloads_are_pushed_once_whatever_of_a_transaction_is_forbidden(
    command, root, limited
):
    root.execute_command("ACL", "SETUSER", "limited", f"-{command}")
    try:
        limited.enqueue_many(["a"] * (MAX_VALUES_PER_PUSH + 1))
        told = None
    except errors.ResponseError as error:
        told = str(error)
    root.execute_command("ACL", "SETUSER", "limited", "+@all")

    # Without MULTI the server runs each command on its own.
    assert (told is None) is (command == "multi")
    assert told is None or f"+{command}" in told
    assert limited.queue_size() == (0 if told else MAX_VALUES_PER_PUSH + 1)
    before = limited.queue_size()
    limited.enqueue("b")
    assert limited.queue_size() == before + 1


KEY = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("command", "push"),
    [
        ("rpush", lambda broker: broker.enqueue("a")),
        ("evalsha", lambda broker: broker.enqueue("a", delay=5)),
        ("hset", lambda broker: broker.enqueue("a", delay=5)),
        ("zadd", lambda broker: broker.enqueue_task("a", Terms("a"))),
        ("get", lambda broker: broker.find_duplicate(Terms("a", unique=KEY))),
        ("hget", lambda broker: broker.replace_task("t1", "a", Terms("a", unique=KEY))),
    ],
)
def test_the_error_of_who_may_not_enqueue_names_the_permission(command, push, root, limited):
    limited.enqueue("a", delay=5)
    root.execute_command("ACL", "SETUSER", "limited", f"-{command}")
    try:
        with pytest.raises(errors.NoPermissionError, match=rf"Add to its ACL: \+{command}"):
            push(limited)
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "+@all")


def test_the_error_of_a_list_of_another_type_names_its_key(root, limited):
    root.set(key_of("q"), "text")

    with pytest.raises(errors.ResponseError, match="the key 'django_q:test:q' holds"):
        limited.enqueue("a")


@pytest.mark.parametrize("command", ["blmove", "client"])
def test_who_may_not_block_takes_what_comes(command, root, limited):
    limited.enqueue("first")
    root.execute_command("ACL", "SETUSER", "limited", f"-{command}")
    try:
        assert len(limited.dequeue(9, wait=0)) == 1
        producer = threading.Timer(0.3, root.rpush, [key_of("q"), "second"])
        producer.start()
        (second,) = limited.dequeue(9, wait=10)
        producer.join()
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "+@all")

    assert (second.payload, second.attempt) == (b"second", 1)
    assert limited.acknowledge(second.ack_id)
    assert limited.lock_size() == 1


@pytest.mark.parametrize(("command", "words"), [("blmove", "+blmove"), ("client", "+client|id")])
def test_a_cluster_that_may_not_wait_is_told_so_at_its_start(command, words, root, limited, caplog):
    root.execute_command("ACL", "SETUSER", "limited", f"-{command}")
    limited.prepare()
    root.execute_command("ACL", "SETUSER", "limited", "+@all")

    assert caplog.text.count(f"Add to its ACL: {words}") == 1
    caplog.clear()
    limited.prepare()
    assert caplog.text == ""


def test_what_comes_to_a_server_without_memory_while_it_is_waited_for_is_taken(root, limited):
    limited.enqueue("first")
    root.rpush("filler", "x" * 1000)
    (first,) = limited.dequeue(9, wait=0)
    root.config_set("maxmemory", "1")
    giver = threading.Timer(0.3, limited_release(limited, first))
    giver.start()
    try:
        (again,) = limited.dequeue(9, wait=10)
    finally:
        root.config_set("maxmemory", "0")
        giver.join()

    assert (again.payload, limited.lock_size()) == (b"first", 1)


def limited_release(broker, delivery):
    """Make what hands a delivery back, on a broker of its own."""
    other = get_broker()
    return lambda: (other.release([delivery.ack_id], count=False), other.close())


def test_a_heartbeat_that_could_not_be_listed_is_listed_later(root, limited):
    key = f"{Conf.Q_STAT}:1"
    root.execute_command("ACL", "SETUSER", "limited", "-sadd")
    try:
        with pytest.raises(errors.NoPermissionError):
            limited.set_stat(key, "beat", 30)
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "+@all")

    limited.set_stat(key, "beat", 30)

    assert limited.get_stats("*") == [b"beat"]


def test_a_reader_who_may_change_nothing_reads_heartbeats(root, limited):
    limited.set_stat(f"{Conf.Q_STAT}:1", "beat", 30)
    root.sadd(Conf.Q_STAT, f"{Conf.Q_STAT}:gone", key_of("q"))
    root.rpush(key_of("q"), "no heartbeat")
    root.execute_command("ACL", "SETUSER", "limited", "-@write")
    try:
        assert limited.get_stats("*") == [b"beat"]
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "+@all")


@pytest.mark.parametrize(
    "passes",
    [
        errors.ConnectionError("closed"),
        errors.TimeoutError("late"),
        errors.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        errors.ReadOnlyError("You can't write against a read only replica."),
        errors.BusyLoadingError("Redis is loading the dataset in memory"),
        errors.ResponseError("MISCONF Redis is configured to save RDB snapshots"),
        errors.ResponseError("NOREPLICAS Not enough good replicas to write."),
        ValueError("none of Redis"),
    ],
)
def test_what_passes_by_itself_is_no_refusal(passes):
    assert Redis("test").refusal(passes) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.AuthenticationError("invalid username-password pair"), "Q_CLUSTER['redis']"),
        (errors.ResponseError("unknown command 'BLMOVE'"), "Redis 6.2"),
        (errors.ResponseError("user_script:9: attempt to index a nil value"), "attempt to index"),
        (errors.NoPermissionError("No permissions to access a key"), "~django_q:test:*"),
        (errors.NoPermissionError("No permissions to access a channel"), "&django_q:"),
    ],
)
def test_a_refusal_is_told_with_its_cure(error, words):
    refusal = Redis("test").refusal(error)

    assert words in refusal
    assert Redis("test").refusal(errors.ResponseError(refusal)) == refusal
