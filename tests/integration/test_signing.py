"""What a signature protects from, and a cluster without pickle."""

from __future__ import annotations

import logging
import pickle
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core import signing as django_signing
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from django_q.models import Failure, Task
from django_q.signing import PickleSerializer, SignedPackage
from django_q.tasks import async_task, fetch, result
from tests import tasks
from tests.heartbeats import make_stat
from tests.unpickling import FolderMaker

pytestmark = pytest.mark.django_db(transaction=True)


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


def forgeries(mark: FolderMaker) -> dict[str, str]:
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


@pytest.mark.parametrize("kind", list(forgeries(FolderMaker("/nowhere"))))
def test_a_forged_package_is_moved_aside_and_never_unpickled(broker, run_once, tmp_path, kind):
    mark = tmp_path / "unpickled"
    broker.enqueue(forgeries(FolderMaker(mark))[kind])

    run_once(broker)

    assert not mark.exists()
    assert broker.dead_size() == 1
    assert broker.lock_size() == broker.queue_size() == 0
    assert Task.objects.count() == 0


def test_the_mark_is_left_where_the_signature_is_good(broker, run_once, tmp_path):
    mark = tmp_path / "unpickled"
    broker.enqueue(signed_with("only for tests", package_with(FolderMaker(mark))))

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
    broker.enqueue(signed_with("only for tests", package_with(FolderMaker(mark))))

    run_once(broker)

    assert not mark.exists()
    assert broker.dead_size() == 1


def test_a_failure_is_recorded_under_json_too(broker, run_once, json_only):
    async_task(tasks.raise_error, "oh", broker=broker)

    run_once(broker)

    assert "ValueError('oh')" in Failure.objects.get().result


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
