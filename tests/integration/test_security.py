"""What a signature protects from, and a cluster without pickle."""

from __future__ import annotations

import logging
import os
import pickle
from datetime import datetime
from decimal import Decimal
from io import StringIO
from uuid import uuid4

import pytest
from django.core import signing as django_signing
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.utils import timezone

from django_q.conf import Conf
from django_q.exceptions import PackageError
from django_q.models import Failure, Success, Task
from django_q.signing import PickleSerializer, SignedPackage
from django_q.tasks import async_chain, async_iter, async_task, fetch, result
from tests import tasks
from tests.heartbeats import make_stat

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "a-secret-that-nobody-may-read"


class Mark:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: object) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def package_with(value: object) -> dict:
    """Make a package that carries a value as its argument."""
    return {
        "id": uuid4().hex,
        "name": "forged",
        "func": "tests.tasks.echo",
        "args": (value,),
        "kwargs": {},
        "started": timezone.now(),
    }


def signed_with(key: str, value: object, salt: str = "test", compress: bool = False) -> str:
    """Sign a pickle with a key."""
    return django_signing.dumps(
        value, key=key, salt=salt, serializer=PickleSerializer, compress=compress
    )


def forgeries(mark: Mark) -> dict[str, str]:
    """Make payloads that nobody with our key has signed."""
    package = package_with(mark)
    good = SignedPackage.dumps(package_with(1))
    forged = signed_with("another key", package)
    value, _, _ = forged.rpartition(":")
    return {
        "another key": forged,
        "another key, compressed": signed_with("another key", package, compress=True),
        "another name": signed_with("only for tests", package, salt="shop"),
        "the signature of another package": f"{value}:{good.rpartition(':')[2]}",
        "no signature": f"{value}:",
        "nothing but a pickle": pickle.dumps(package, 0).decode("latin-1"),
        "a signature cut short": forged[:-5],
    }


@pytest.mark.parametrize("kind", list(forgeries(Mark("/nowhere"))))
def test_a_forged_package_is_moved_aside_and_never_unpickled(broker, run_once, tmp_path, kind):
    mark = tmp_path / "unpickled"
    broker.enqueue(forgeries(Mark(mark))[kind])

    run_once(broker)

    assert not mark.exists()
    assert broker.dead_size() == 1
    assert broker.lock_size() == broker.queue_size() == 0
    assert Task.objects.count() == 0


def test_the_mark_is_left_where_the_signature_is_good(broker, run_once, tmp_path):
    mark = tmp_path / "unpickled"
    broker.enqueue(signed_with("only for tests", package_with(Mark(mark))))

    run_once(broker)

    assert mark.exists()  # so that its absence above says something


def test_keys_rotate_without_losing_what_is_queued(broker, run_once, settings):
    before = async_task(tasks.multiply, 2, 3, broker=broker)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new key", [settings.SECRET_KEY]
    after = async_task(tasks.multiply, 3, 4, broker=broker)

    run_once(broker)
    run_once(broker)

    assert (result(before), result(after)) == (6, 12)


def test_a_package_of_a_key_that_is_gone_waits_in_the_dead_queue(broker, run_once, settings):
    async_task(tasks.multiply, 2, 3, broker=broker)
    settings.SECRET_KEY = "new key"

    run_once(broker)

    assert broker.dead_size() == 1


@pytest.fixture
def json_only(conf):
    """Send and take JSON alone."""
    conf(serializer="json")


def test_a_task_travels_as_json(broker, run_once, json_only):
    task_id = async_task(tasks.echo, 1, "é", [None, True, 2.5], x={"y": []}, broker=broker)

    run_once(broker)

    assert result(task_id) == [[1, "é", [None, True, 2.5]], {"x": {"y": []}}]
    assert fetch(task_id).started.tzinfo is not None


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (datetime(2030, 1, 1), "Argument 2 (datetime)"),
        (Decimal("1.5"), "Argument 2 (Decimal)"),
        (b"bytes", "Argument 2 (bytes)"),
        ({1, 2}, "Argument 2 (set)"),
        (tasks.multiply, "Argument 2 (function)"),
        ({1: "a key that would come back as a string"}, "Argument 2 (dict)"),
        ([[{"deep": uuid4()}]], "Argument 2 (list)"),
    ],
)
def test_an_argument_that_json_can_not_carry_is_named_at_the_call(broker, json_only, value, what):
    with pytest.raises(PackageError) as raised:
        async_task(tasks.echo, 1, value, broker=broker)

    assert str(raised.value).startswith(f"{what} of 'tests.tasks.echo' can not be sent")
    assert broker.queue_size() == 0


def test_a_named_argument_is_named_too(broker, json_only):
    with pytest.raises(PackageError, match=r"Argument 'when' \(datetime\)"):
        async_task(tasks.echo, when=timezone.now(), broker=broker)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ({"func": lambda: 1}, "The function"),
        ({"func": tasks.Calculator()}, "The function"),
        ({"func": tasks.nothing, "hook": lambda task: None}, "The hook"),
        ({"func": tasks.nothing, "hook": tasks.Calculator()}, "The hook"),
    ],
)
def test_a_callable_without_a_name_is_refused_at_the_call(broker, json_only, call, what):
    with pytest.raises(PackageError, match=f"{what} must be importable by name"):
        async_task(call.pop("func"), **call, broker=broker)

    assert broker.queue_size() == 0


def test_functions_and_hooks_travel_by_name(broker, run_once, json_only):
    tasks.hooked.clear()
    async_task(tasks.multiply, 2, 3, hook=tasks.hook, broker=broker)

    run_once(broker)

    assert [task.result for task in tasks.hooked] == [6]


def test_a_chain_travels_as_json(broker, run_all, json_only):
    async_chain([(tasks.multiply, (2, 3)), ("tests.tasks.multiply", (4, 5))], broker=broker)

    run_all(broker)

    assert sorted(task.result for task in Success.objects.all()) == [6, 20]


def test_a_link_of_a_chain_without_a_name_is_refused(broker, json_only):
    with pytest.raises(PackageError, match="The function of link 1"):
        async_chain([tasks.nothing, lambda: 1], broker=broker)


def test_an_iterable_travels_as_json(broker, run_all, json_only):
    task_id = async_iter(tasks.multiply, [(1, 2), (3, 4)], broker=broker)

    run_all(broker)

    assert result(task_id) == [2, 12]


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", Decimal("1.5"), {2: 3}])
def test_a_result_that_json_can_not_carry_is_stored_as_text(
    broker, run_once, json_only, value, monkeypatch, caplog
):
    monkeypatch.setattr(tasks, "nothing", lambda: value)
    task_id = async_task("tests.tasks.nothing", broker=broker)

    with caplog.at_level(logging.WARNING, "django-q"):
        run_once(broker)

    task = fetch(task_id)
    assert task.success
    assert task.result.startswith(repr(value))
    assert "stored as text, because json can not carry it" in task.result
    assert "stored as text, because json can not carry it" in caplog.text


def test_a_cluster_without_pickle_refuses_pickles_that_are_signed(
    broker, run_once, json_only, tmp_path
):
    mark = tmp_path / "unpickled"
    broker.enqueue(signed_with("only for tests", package_with(Mark(mark))))

    run_once(broker)

    assert not mark.exists()
    assert broker.dead_size() == 1


def test_a_failure_is_recorded_under_json_too(broker, run_once, json_only):
    async_task(tasks.raise_error, "oh", broker=broker)

    run_once(broker)

    assert "ValueError('oh')" in Failure.objects.get().result


@pytest.mark.parametrize(
    "options",
    [
        {"redis": f"redis://user:{SECRET}@127.0.0.1:6379/0"},
        {"redis": {"host": "127.0.0.1", "password": SECRET}},
        {"redis": f"redis://127.0.0.1:6379/0?password={SECRET}"},
        {"sqs": {"aws_region": "x", "aws_secret_access_key": SECRET, "aws_access_key_id": SECRET}},
        {"error_reporter": {"sentry": {"dsn": f"https://{SECRET}@example.org/1"}}},
        {"error_reporter": {"rollbar": {"access_token": SECRET}}},
    ],
)
def test_no_secret_is_in_the_printed_configuration(conf, settings, options):
    settings.SECRET_KEY = f"{SECRET}-key"
    conf(**options)
    out = StringIO()

    call_command("qinfo", "--config", stdout=out)

    assert SECRET not in out.getvalue()
    assert "REDIS" in out.getvalue()


def test_no_secret_is_in_the_log_of_a_broker_that_does_not_answer(conf, caplog, wait_until):
    from threading import Event, Thread

    from django_q.brokers import get_broker
    from django_q.cluster import pusher
    from django_q.queues import Queue

    conf(redis=f"redis://user:{SECRET}@127.0.0.1:1/0")
    stopped, task_queue = Event(), Queue()

    with caplog.at_level(logging.DEBUG):
        body = Thread(target=pusher, args=(task_queue, stopped, get_broker()))
        body.start()
        wait_until(lambda: "can not take tasks" in caplog.text)
        stopped.set()
        body.join(60)

    assert SECRET not in caplog.text
    assert Conf.SECRET_KEY not in caplog.text


def test_a_project_without_a_secret_key_is_told_so(broker, settings):
    settings.SECRET_KEY = ""

    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        async_task("math.copysign", 2, -2)


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_a_heartbeat_that_is_put_on_the_queue_is_no_task(broker, run_once, conf, serializer):
    conf(serializer=serializer)
    stat = make_stat()
    stat.save(broker)
    broker.enqueue(broker.get_stat(stat.key))

    run_once(broker)

    assert Task.objects.count() == 0
    assert (broker.queue_size(), broker.lock_size(), broker.dead_size()) == (0, 0, 1)
