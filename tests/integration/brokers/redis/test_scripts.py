"""What Redis refuses in the middle of a script loses nothing and doubles nothing."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from redis import exceptions as errors

from django_q.brokers import get_broker
from django_q.brokers.redis import scripts
from django_q.brokers.redis.refusals import REQUIRED_COMMANDS
from django_q.brokers.terms import Terms
from django_q.conf import Conf
from django_q.exceptions import BrokerCommandRefused
from tests.integration.brokers.redis.filled_queue import (
    KEPT,
    KEYS,
    REPLACED,
    new_tasks,
    outcome,
    prepared,
    receipts,
    state,
)
from tests.integration.brokers.redis.keys import key_of

pytestmark = pytest.mark.once


#: Terms of tasks that are new.
LATER = Terms("new", delay=60, expires_in=600)
UNIQUE = Terms("new", unique="new", unique_for=60)
IDEMPOTENT = Terms("new", idempotency="second", idempotency_for=60)

#: What each script is called for, with the deliveries of ``prepared``.
CALLS = {
    "take": lambda broker, held: broker.dequeue(99, wait=0),
    "acknowledge": lambda broker, held: broker.acknowledge_many(receipts(held.plain)),
    "extend": lambda broker, held: broker.extend(receipts(held.plain), 5),
    "release": lambda broker, held: broker.release(receipts(held.plain), count=False),
    "read": lambda broker, held: broker.read(held.plain[0].ack_id),
    "move_to_dead_letters": lambda broker, held: broker.move_to_dead_letters(
        held.plain[-1].ack_id, held.plain[-1].payload
    ),
    "enqueue_delayed": lambda broker, held: broker.enqueue("late", delay=5),
    "delete": lambda broker, held: broker.delete(held.plain[-1].ack_id),
    "purge": lambda broker, held: broker.purge_queue(),
    "sizes": lambda broker, held: broker.queue_size(),
    "stats": lambda broker, held: broker.get_stats("*"),
    "enqueue_once": lambda broker, held: broker.enqueue_once("link", "key"),
    "restore": lambda broker, held: broker.restore(),
    "check_permissions": lambda broker, held: broker.prepare(),
    "take_tasks": lambda broker, held: broker.dequeue(7, wait=0),
    "acknowledge_tasks": lambda broker, held: broker.acknowledge_many(receipts(held.tasks)),
    "extend_tasks": lambda broker, held: broker.extend(receipts(held.tasks), 5),
    "release_tasks": lambda broker, held: broker.release(receipts(held.tasks), delay=5),
    "enqueue_task": lambda broker, held: broker.enqueue_task("new", Terms("new", priority=2)),
    "enqueue_task later": lambda broker, held: broker.enqueue_task("new", LATER),
    "enqueue_task unique": lambda broker, held: broker.enqueue_task("new", UNIQUE),
    "enqueue_task idempotent": lambda broker, held: broker.enqueue_task("new", IDEMPOTENT),
    "enqueue_tasks": lambda broker, held: broker.enqueue_tasks(new_tasks()),
    "enqueue_tasks once": lambda broker, held: broker.enqueue_once("t", "key", Terms("once")),
    "replace_task": lambda broker, held: broker.replace_task(held.version, "newer", REPLACED),
    "find_duplicate": lambda broker, held: broker.find_duplicate(REPLACED),
    "find_task": lambda broker, held: broker.find("low"),
    "list_tasks": lambda broker, held: broker.list_tasks(),
    "read task": lambda broker, held: broker.read(held.tasks[0].ack_id),
    "delete task": lambda broker, held: broker.delete(held.tasks[0].ack_id),
    "move_to_dead_letters task": lambda broker, held: broker.move_to_dead_letters(
        held.tasks[0].ack_id, held.tasks[0].payload
    ),
    "release kept": lambda broker, held: broker.release(
        receipts(held.plain), count=False, states=kept(held.plain)
    ),
    "release_tasks kept": lambda broker, held: broker.release(
        receipts(held.tasks), states=kept(held.tasks)
    ),
    "keep_state": lambda broker, held: broker.keep_state(kept(held.plain)),
    "keep_state task": lambda broker, held: broker.keep_state(kept(held.tasks)),
    "cancel_task": lambda broker, held: broker.cancel_task("waits", "by somebody"),
    "cancel_task leased": lambda broker, held: broker.cancel_task("leased", "by somebody"),
    "cancel_task held": lambda broker, held: broker.cancel_task("behind", "by somebody"),
    "post_notice": lambda broker, held: broker.post_notice("task:new", "by somebody"),
    "withdraw_notices": lambda broker, held: broker.withdraw_notices(["task:posted"]),
    "remove_orphans": lambda broker, held: broker.remove_orphans(
        key_of("tries"), key_of("running")
    ),
    "remove_orphans tasks": lambda broker, held: broker.remove_orphans(
        key_of("task_tries"), key_of("tasks")
    ),
    "read_kept": lambda broker, held: broker.kept_state(held.plain[0].ack_id),
    "read_kept task": lambda broker, held: broker.kept_state(held.tasks[0].ack_id),
    "read_notices": lambda broker, held: broker._order(scripts.read_notices),
}


def kept(deliveries):
    return dict.fromkeys(receipts(deliveries), KEPT)


#: Refused at a server that is out of memory: what enqueues.
ADDING = {
    "keep_state",
    "keep_state task",
    "enqueue_delayed",
    "enqueue_once",
    "enqueue_tasks",
    "enqueue_tasks once",
}
ADDING |= {call for call in CALLS if call.startswith("enqueue_task ")} | {"enqueue_task"}


#: Commands whose refusal harms nothing, so that a script goes on: they wake, and tidy up.
OPTIONAL = {"EXISTS", "ZRANGE", "RPUSH", "SREM"}


#: Keys that are only set: what another has put there is overwritten.
OVERWRITTEN = {"mark", "kept:ended"}


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


def script_of(call):
    """Give the script that a call runs."""
    return getattr(scripts, call.partition(" ")[0])


def called(call):
    """Find the commands that the files of a script call."""
    text = "".join(map(scripts.read_script, script_of(call).files))
    return re.findall(r"(?:call\(|call_in_chunks\()'([A-Z]+)'", text)


def words(call):
    """Find the commands in the text of a script, or what looks like one."""
    return sorted(set(re.findall(r"'([A-Z]{3,})'", script_of(call).text)))


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
    of_people = {"purge", "sizes", "stats", "restore", "check_permissions"}
    of_people |= {"delete", "delete task", "find_task", "list_tasks"}
    of_people |= {"post_notice", "withdraw_notices"}
    # Without these a cluster goes on.
    of_people |= {"read_notices", "remove_orphans", "remove_orphans tasks"}
    arguments = {"LIMIT", "WITHSCORES", "TIME"}  # and what each script runs first

    run = {word for script in set(CALLS) - of_people for word in called(script)}

    assert asked == run - arguments


def test_each_script_is_called_here():
    assert {call.partition(" ")[0] for call in CALLS} == set(names())


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


@pytest.mark.parametrize("key", [key for key in KEYS if key not in OVERWRITTEN])
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
