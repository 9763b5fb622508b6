"""What Redis refuses in the middle of a script loses nothing and doubles nothing."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from redis import exceptions as errors

from django_q.brokers import get_broker
from django_q.brokers.redis import scripts
from django_q.brokers.redis.refusals import REQUIRED_COMMANDS
from django_q.conf import Conf
from django_q.exceptions import BrokerCommandRefused
from tests.integration.brokers.redis.keys import key_of

pytestmark = pytest.mark.once


#: What each script is called for, with the deliveries of ``prepared``.
CALLS = {
    "take": lambda broker, held: broker.dequeue(99, wait=0),
    "acknowledge": lambda broker, held: broker.acknowledge_many(receipts(held)),
    "extend": lambda broker, held: broker.extend(receipts(held), 5),
    "release": lambda broker, held: broker.release(receipts(held), count=False),
    "read": lambda broker, held: broker.read(held[0].ack_id),
    "move_to_dead_letters": lambda broker, held: broker.move_to_dead_letters(
        held[-1].ack_id, held[-1].payload
    ),
    "enqueue_delayed": lambda broker, held: broker.enqueue("late", delay=5),
    "delete": lambda broker, held: broker.delete(held[-1].ack_id),
    "purge": lambda broker, held: broker.purge_queue(),
    "sizes": lambda broker, held: broker.queue_size(),
    "stats": lambda broker, held: broker.get_stats("*"),
    "enqueue_once": lambda broker, held: broker.enqueue_once("link", "key"),
    "restore": lambda broker, held: broker.restore(),
    "check_permissions": lambda broker, held: broker.prepare(),
}


#: Refused at a server that is out of memory: what enqueues.
ADDING = {"enqueue_delayed", "enqueue_once"}


#: Commands whose refusal harms nothing, so that a script goes on: they wake, and tidy up.
OPTIONAL = {"EXISTS", "ZRANGE", "RPUSH", "SREM"}


#: What a key is without which a script finds nothing.
EMPTY = {"q": [], "running": {}, "leases": {}, "tries": {}, "dead": [], "key": None, "x": set()}


KEYS = ["q", "running", "leases", "tries", "sequence", "dead", "clock", "mark", "index"]


def prepared(root, server, conf):
    """Fill a queue with some of all there is. Returns the deliveries that are held."""
    root.flushall()
    conf(redis=server.url)
    broker = get_broker()
    broker.enqueue_many(f"task {n}" for n in range(9))
    broker.enqueue("delayed", delay=60)
    again, _ = broker.dequeue(2, wait=0)
    expire(root, again.ack_id)
    held = broker.dequeue(4, wait=0)
    expire(root, held[1].ack_id)
    broker.set_stat(f"{Conf.Q_STAT}:1", "beat", 30)
    root.sadd(Conf.Q_STAT, f"{Conf.Q_STAT}:gone")
    broker.move_to_dead_letters(held.pop().ack_id, "junk")
    # What an earlier release has left, and what it has left although there is another copy.
    lost = {7: "lost", 8: "lost too", 9: "task 8", 10: held[0].payload, 11: "lost"}
    root.hset(key_of("running"), mapping=lost)
    broker.close()
    return [held[0], *held[2:]]


def receipts(deliveries):
    return [delivery.ack_id for delivery in deliveries]


def expire(root, receipt):
    """Let a lease end."""
    root.zadd(key_of("leases"), {receipt.partition(".")[0]: 1})


def state(root):
    """Give all that there is, but for what means nothing: numbers, and what never ends."""
    return {key: content(root, key) for key in map(key_of, KEYS)}


def content(root, key):
    """Read a key of any type."""
    guard = b"-" * 65
    match root.type(key):
        case b"list":
            return root.lrange(key, 0, -1)
        case b"hash":
            return {name: value for name, value in root.hgetall(key).items() if name != guard}
        case b"zset":
            return dict(
                pair for pair in root.zrange(key, 0, -1, withscores=True) if pair[0] != guard
            )
        case b"set":
            return root.smembers(key)
        case b"string":
            return None if key.endswith((":sequence", ":clock")) else root.get(key)
    return None if key.endswith((":sequence", ":clock")) else EMPTY[key.rpartition(":")[2]]


def outcome(root, server, conf):
    """Run all that is there, and count each payload that was delivered, and those that are dead."""
    conf(redis=server.url)
    broker, found = get_broker(), Counter()
    broker.prepare()
    while True:
        for receipt in root.zrange(key_of("leases"), 0, -1):
            if receipt.isdigit():
                expire(root, receipt.decode())
        deliveries = broker.dequeue(99, wait=0)
        if not deliveries:
            break
        found += Counter(delivery.payload for delivery in deliveries)
        assert broker.acknowledge_many(receipts(deliveries)) == set()
    assert (broker.queue_size(), broker.lock_size()) == (0, 0)
    assert root.hlen(key_of("running")) == 0
    found += Counter(f"dead {payload}" for payload in root.lrange(key_of("dead"), 0, -1))
    broker.close()
    return found


def expected(script, root, server, conf):
    """Run a call that nobody refuses, once. Returns the outcome, and the commands that were run."""
    if script not in server.expected:
        server.expected[script] = unrefused(script, root, server, conf)
    return server.expected[script]


def unrefused(script, root, server, conf):
    """Run a call that nobody refuses."""
    held = prepared(root, server, conf)
    conf(redis=server.url)
    broker = get_broker()
    root.config_resetstat()
    CALLS[script](broker, held)
    ran = {name.removeprefix("cmdstat_").upper() for name in root.info("commandstats")}
    broker.close()
    return outcome(root, server, conf), ran


def check(script, broker, held, root, words):
    """Call what the server refuses; whether it was refused, which then has changed nothing."""
    before = state(root)
    try:
        CALLS[script](broker, held)
    except (errors.ResponseError, BrokerCommandRefused) as error:
        told = broker.refusal(error) or type(error).__name__
    else:
        return False
    assert words in told
    assert state(root) == before
    return True


def names():
    """Name the scripts."""
    return [name for name, value in vars(scripts).items() if isinstance(value, scripts.Script)]


def called(script):
    """Find the commands that the file of a script calls, and those which all of them share."""
    files = [script, "prelude"] if script != "enqueue_once" else [script]
    text = "".join(scripts.read_script(file) for file in files)
    return re.findall(r"(?:call\(|call_in_chunks\()'([A-Z]+)'", text)


def words(script):
    """Find the commands in the text of a script, or what looks like one."""
    return sorted(set(re.findall(r"'([A-Z]{3,})'", getattr(scripts, script).text)))


def test_payloads_without_a_lease_are_put_back_once(root, server, conf):
    prepared(root, server, conf)
    broker = get_broker()
    waiting = broker.queue_size()

    assert (broker.restore(), broker.restore()) == (2, 0)

    assert broker.queue_size() == waiting + 2
    assert set(root.lrange(key_of("q"), 0, 1)) == {b"lost", b"lost too"}
    found = outcome(root, server, conf)
    assert found[b"lost"] == found[b"lost too"] == found[b"task 8"] == found[b"delayed"] == 1


def test_a_cluster_asks_whether_it_may_run_what_its_scripts_run():
    asked = {text.split()[0] for text in REQUIRED_COMMANDS}
    of_people = {"purge", "delete", "sizes", "stats", "restore", "check_permissions"}
    arguments = {"LIMIT", "WITHSCORES", "TIME"}  # and what each script runs first

    run = {word for script in set(CALLS) - of_people for word in called(script)}

    assert asked == run - arguments


def test_each_script_is_called_here():
    assert set(CALLS) == set(names())


@pytest.mark.parametrize(
    ("script", "command"), [(script, word) for script in CALLS for word in words(script)]
)
def test_a_script_that_may_not_run_one_of_its_commands_changes_nothing(
    script, command, root, server, conf, limited
):
    wanted, ran = expected(script, root, server, conf)
    if command not in ran:
        return  # it is not for this call, or an argument that looks like a command
    held = prepared(root, server, conf)

    root.execute_command("ACL", "SETUSER", "limited", f"-{command.lower()}")
    try:
        refused = check(script, limited, held, root, f"+{command.lower()}")
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "+@all")

    assert refused or command in OPTIONAL
    if refused:
        CALLS[script](limited, held)
    assert outcome(root, server, conf) == wanted


@pytest.mark.parametrize("key", [key for key in KEYS if key != "mark"])
@pytest.mark.parametrize("script", CALLS)
def test_a_script_that_finds_a_key_of_another_type_changes_nothing(
    script, key, root, server, conf, limited
):
    wanted, _ = expected(script, root, server, conf)
    held = prepared(root, server, conf)
    key = key_of(key)

    saved = root.exists(key) and root.rename(key, "saved")
    root.sadd(key, "another") if key != Conf.Q_STAT else root.set(key, "another")
    refused = check(script, limited, held, root, f"'{key}'")
    root.delete(key)
    if saved:
        root.rename("saved", key)

    if refused:
        CALLS[script](limited, held)
    assert outcome(root, server, conf) == wanted


@pytest.mark.parametrize("script", CALLS)
def test_a_script_on_a_server_without_memory_is_refused_or_runs(
    script, root, server, conf, limited
):
    wanted, _ = expected(script, root, server, conf)
    held = prepared(root, server, conf)

    root.config_set("maxmemory", "1")
    try:
        refused = check(script, limited, held, root, "OutOfMemoryError")
    finally:
        root.config_set("maxmemory", "0")

    assert refused is (script in ADDING)
    if refused:
        CALLS[script](limited, held)
    assert outcome(root, server, conf) == wanted


@pytest.mark.parametrize("script", CALLS)
def test_a_script_on_a_replica_changes_nothing(script, root, server, conf, limited):
    wanted, _ = expected(script, root, server, conf)
    held = prepared(root, server, conf)

    root.replicaof("127.0.0.1", "1")
    try:
        refused = check(script, limited, held, root, "ReadOnlyError")
    finally:
        root.replicaof("NO", "ONE")

    if refused:
        CALLS[script](limited, held)
    assert outcome(root, server, conf) == wanted


def test_thousands_of_payloads_without_a_lease_are_put_back(root, limited):
    limited.enqueue_many(f"waiting {n}" for n in range(100))
    root.hset(key_of("running"), mapping={n: f"lost {n}" for n in range(5000)})
    taken = limited.dequeue(50, wait=0)

    assert limited.restore() == 5000

    found = Counter(root.lrange(key_of("q"), 0, -1))
    assert (len(found), found.total()) == (5050, 5050)
    assert limited.acknowledge_many(receipts(taken)) == set()
