"""Orders for a queue in Redis: damaged values, users who may not, and what a cluster is told."""

from __future__ import annotations

import pytest
from redis import exceptions as errors

from django_q.brokers import get_broker
from django_q.brokers.contract.orders import REMOVED, REQUESTED, QueueControl
from django_q.brokers.terms import WAITING, Terms
from tests import servers
from tests.integration.brokers.redis.keys import key_of

pytestmark = pytest.mark.once

KEY = "0123456789abcdef" * 2
#: Keys that an earlier release has, and that a user may use.
EARLIER_KEYS = (
    "q running leases tries sequence dead clock task_leases tasks terms ready delayed held"
)
EARLIER_KEYS += " task_tries takes"
#: Calls that give an order.
GIVE_ORDER = {
    "pause": lambda broker: broker.pause(),
    "resume": lambda broker: broker.resume(),
    "limit": lambda broker: broker.set_limit(1),
    "no limit": lambda broker: broker.set_limit(None),
    "control": lambda broker: broker.control(),
    "post": lambda broker: broker.post_notice("task:1", "text"),
    "withdraw": lambda broker: broker.withdraw_notices(["task:1"]),
    "version": lambda broker: broker.notices_version(),
}


@pytest.fixture
def earlier_user(root, limited):
    """Let the user have the keys of an earlier release alone."""
    patterns = [f"~{key_of(name)}" for name in EARLIER_KEYS.split()]
    root.execute_command("ACL", "SETUSER", "limited", "resetkeys", *patterns)
    yield limited
    root.execute_command("ACL", "SETUSER", "limited", "~*")


@pytest.mark.parametrize(
    "values",
    [
        {"paused": "yes", "limit": "many", "version": "first", "paused:a": ""},
        {"paused": "", "limit": "-1", "version": "-1", "paused:a": "2"},
        {"limit": "9" * 300, "version": "9" * 300, "x" * 100: "\x00\xff"},
        {"limit": "1e400", "version": "nan"},
        {"limit": "inf", "version": "0x10"},
    ],
)
def test_rubbish_among_orders_holds_nothing_and_is_overwritten(broker, values):
    broker.connection.hset(key_of("control"), mapping=values)
    broker.cluster_id = "a"
    broker.enqueue("plain")
    broker.enqueue_task("task", Terms("task"))

    assert len(broker.dequeue(9, wait=0)) == 2

    assert (broker.control(), broker.notices_version(), broker.is_held) == (
        *(QueueControl(), 0),
        False,
    )
    broker.post_notice("queue", "text")
    assert broker.notices().version > 10**15
    assert broker.resume("a") is ("paused:a" in values)


def test_rubbish_among_notices_is_dropped(broker):
    broker.post_notice("group:a", "text|with|bars")
    version = broker.notices_version()
    rubbish = {"1": "", "2": "text", "3": "1|2", "4": "x|y|z", "5": "1|2|over"}
    broker.connection.hset(key_of("notices"), mapping=rubbish)

    notices = broker.notices()

    assert {key: text for key, (_, text) in notices.values.items()} == {"group:a": "text|with|bars"}
    assert broker.connection.hkeys(key_of("notices")) == [b"group:a"]
    assert notices.version == broker.notices_version() > version


def test_the_version_goes_on_where_the_server_has_lost_it(broker):
    broker.post_notice("queue", "text")
    version = broker.notices_version()
    broker.connection.delete(key_of("control"))

    broker.withdraw_notices(["queue"])

    assert broker.notices_version() > version


def test_a_cluster_without_the_keys_of_orders_goes_on_and_says_so_once(earlier_user, root, caplog):
    earlier_user.enqueue("plain")
    earlier_user.enqueue_task("task", Terms("task"))
    root.hset(key_of("control"), "paused", "1")

    earlier_user.prepare()
    found = earlier_user.dequeue(9, wait=0)

    assert {each.payload for each in found} == {b"plain", b"task"}
    assert earlier_user.acknowledge_many(each.ack_id for each in found) == set()
    assert earlier_user.notices() == earlier_user.notices() == (0, {})
    said = [each for each in caplog.messages if "Add to its ACL: ~django_q:test:*" in each]
    assert [each.partition(".")[0] for each in said] == [
        "django_q:test:q: a pause, a limit and other orders are not heeded",
        "django_q:test:q: orders to cancel tasks that run are not read",
    ]


@pytest.mark.parametrize("order", GIVE_ORDER)
def test_an_order_is_refused_to_who_may_not_use_its_keys(earlier_user, order):
    with pytest.raises(errors.NoPermissionError, match=r"Add to its ACL: ~django_q:test:\*"):
        GIVE_ORDER[order](earlier_user)


def test_a_cluster_that_may_use_the_keys_of_plain_tasks_alone_takes_those(root, limited, caplog):
    plain = [f"~{key_of(name)}" for name in EARLIER_KEYS.split()[:7]]
    root.execute_command("ACL", "SETUSER", "limited", "resetkeys", *plain)
    try:
        limited.enqueue("plain")
        limited.prepare()
        (found,) = limited.dequeue(9, wait=0)
        assert limited.acknowledge(found.ack_id)
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "~*")

    assert found.payload == b"plain"
    assert caplog.text.count("orders are not heeded") == 1
    assert caplog.text.count("need terms are not taken") == 1


@pytest.mark.parametrize("command", ["hgetall", "evalsha"])
def test_notices_that_may_not_be_read_are_none_and_that_is_said_once(
    command, root, limited, caplog
):
    limited.post_notice("queue", "text")
    root.execute_command("ACL", "SETUSER", "limited", f"-{command}")
    try:
        assert limited.notices() == limited.notices() == (0, {})
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "+@all")

    assert caplog.text.count(f"Add to its ACL: +{command}") == 1
    assert set(limited.notices().values) == {"queue"}


def test_orders_are_taken_by_a_server_without_memory(root, limited):
    limited.enqueue_task("task", Terms("task", delay=60))
    root.config_set("maxmemory", "1")
    try:
        assert limited.cancel_task("task", "mark") == REMOVED
        limited.post_notice("queue", "text")
        assert limited.withdraw_notices(["queue"]) == 1
    finally:
        root.config_set("maxmemory", "0")

    (found,) = limited.dequeue(wait=0)
    assert found.state.cancelled == "mark"


def test_a_cancelled_task_frees_its_key_and_who_waited_for_it_comes(broker):
    broker.enqueue_task("first", Terms("first", unique=KEY, unique_for=60, delay=60))
    broker.enqueue_task("second", Terms("second", unique=KEY, is_successor=True, delay=60))
    assert broker.cancel_task("first", "mark") == REMOVED
    assert broker.enqueue_task("third", Terms("third", unique=KEY)).is_new
    found = {each.payload: each for each in broker.dequeue(9, wait=0)}
    broker.acknowledge(found[b"first"].ack_id)

    assert {name: each.state for name, each in found.items()} == {
        b"first": ("", "", "mark"),
        b"third": None,
    }
    assert broker.connection.keys(f"{broker.list_key}:kept:*") == []


def test_who_has_seen_a_task_before_it_was_cancelled_can_not_replace_it(broker):
    terms = Terms("task", unique=KEY)
    broker.enqueue_task("task", terms)
    broker.release([each.ack_id for each in broker.dequeue(wait=0)], delay=60)
    version = broker.find_duplicate(terms).version
    broker.cancel_task("task", "mark")

    # As an earlier release does, which does not know marks.
    broker.connection.hdel(key_of("task_tries"), b"cancelled:" + number_of(broker, "task"))

    assert broker.replace_task(version, "new", terms) is False


def test_a_cancelled_task_that_has_lost_its_mark_is_taken(broker):
    broker.enqueue_task("task", Terms("task", delay=60))
    broker.cancel_task("task", "mark")
    broker.connection.delete(key_of("task_tries"))

    (found,) = broker.dequeue(9, wait=0)

    assert (found.payload, found.state) == (b"task", None)


def test_a_task_is_cancelled_whatever_is_damaged_of_it(broker):
    broker.enqueue_task("damaged", Terms("damaged", unique=KEY, delay=60))
    client, number = broker.connection, number_of(broker, "damaged")
    client.hset(key_of("terms"), number, "what is this")
    client.hset(key_of("task_tries"), number, "rubbish")

    assert broker.cancel_task("damaged", "mark") == REMOVED
    assert broker.find("damaged").state == WAITING
    (found,) = broker.dequeue(9, wait=0)

    assert found.state.cancelled == "mark"
    assert broker.cancel_task("damaged", "mark") == REQUESTED
    assert broker.acknowledge(found.ack_id)
    assert broker.cancel_task("damaged", "mark") is None


def number_of(broker, task_id):
    """Give the number of a task."""
    return broker.connection.hget(key_of("terms"), f"task:{task_id}")


def test_an_order_from_another_process_holds_a_cluster_that_blocks(broker):
    other = get_broker()
    broker.dequeue(wait=0)
    other.pause()
    other.enqueue("task")

    assert (broker.dequeue(wait=0.1), broker.is_held) == ([], True)

    other.close()


@pytest.fixture
def web_user(server, root, conf):
    """A broker of the documented user that only enqueues, with what orders need beside it."""
    for command in servers.documented_users():
        root.execute_command(*command.split())
    added = "+hmget +hlen +hdel +zrem +hexists +hgetall"
    root.execute_command("ACL", "SETUSER", "web", *added.split())
    conf(name="shop", cluster_name="shop", redis=server.url.replace("//", "//web:secret@"))
    broker = get_broker()
    yield broker
    broker.close()


def test_the_documented_permissions_suffice_for_orders(web_user):
    web_user.enqueue_task("first", Terms("first", unique=KEY, delay=60))
    web_user.enqueue_task("second", Terms("second", unique=KEY, is_successor=True))

    assert web_user.cancel_task("first", "mark") == REMOVED
    for give_order in GIVE_ORDER.values():
        give_order(web_user)
    web_user.post_notice("queue", "text")
    assert set(web_user.notices().values) == {"queue"}
