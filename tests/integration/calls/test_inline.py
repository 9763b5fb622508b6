"""Tasks that run at once, in the process that calls them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django.utils import timezone, translation

from django_q.exceptions import PackageError
from django_q.execution.run_details import worker_name
from django_q.models import Failure, Success
from django_q.signals import post_execute, pre_execute
from django_q.tasks import (
    _sync,
    async_chain,
    async_iter,
    async_task,
    fetch,
    result,
    result_group,
)
from tests.tasks import (
    Calculator,
    hook,
    hooked,
    language_and_time_zone,
    multiply,
    raise_error,
    raise_system_exit,
    speak_german,
)

pytestmark = pytest.mark.django_db


def make_user(name: str) -> int:
    """Write into the database, as tasks do."""
    return User.objects.create(username=name).pk


def test_a_task_runs_at_once():
    task_id = async_task("math.copysign", 2, -2, sync=True)

    assert result(task_id) == -2
    task = Success.objects.get()
    assert task.func == "math.copysign"
    assert task.worker == worker_name()
    assert task.started <= task.begun <= task.stopped


def test_a_failure_is_saved_and_does_not_raise():
    task_id = async_task("my.buggy.code", sync=True)

    task = fetch(task_id)
    assert task.success is False
    assert task.result.startswith("ModuleNotFoundError(\"No module named 'my'\")")
    assert (task.exception, len(task.fingerprint)) == ("ModuleNotFoundError", 32)
    assert Failure.objects.count() == 1


@pytest.mark.parametrize("func", [raise_error, raise_system_exit])
def test_a_failure_raises_where_the_settings_say_so(conf, func):
    conf(sync_raises=True)

    with pytest.raises((ValueError, SystemExit), match="as asked"):
        async_task(func, sync=True)

    assert Failure.objects.count() == 1


def test_the_settings_run_all_tasks_at_once(conf):
    conf(sync=True)

    assert result(async_task(multiply, 2, 3)) == 6
    assert sorted(result_group(async_chain([(multiply, (2, 3)), (multiply, (4, 5))]))) == [6, 20]
    assert result(async_iter("math.floor", [1.5])) == [1]


def test_a_call_may_decline(conf, broker):
    conf(sync=True)

    async_task(multiply, 2, 3, sync=False)

    assert broker.queue_size() == 1


def test_no_broker_is_needed(conf):
    conf(sync=True, broker_class="no.such.Broker")

    assert result(async_task(multiply, 2, 3)) == 6


def test_the_task_takes_the_way_of_others_through_the_payload():
    calculator = Calculator()
    basket = [1]

    task_id = async_task(list.append, basket, 2, sync=True)

    assert fetch(task_id).success
    assert basket == [1]  # the task had a copy, as it has in a cluster
    assert result(async_task(calculator.add, 1, 2, sync=True)) == 3


def test_the_caller_keeps_its_language_and_its_time_zone():
    with translation.override("fr"), timezone.override("America/Lima"):
        async_task(speak_german, sync=True)

        assert language_and_time_zone() == ("fr", "America/Lima")


def test_hooks_and_signals_are_the_same():
    hooked.clear()
    told = []

    def note(sender: str, **kwargs: object) -> None:
        told.append(sorted(kwargs.keys() - {"signal"}))

    for signal in (pre_execute, post_execute):
        signal.connect(note)
    try:
        task_id = async_task(multiply, 2, 3, hook=hook, sync=True)
    finally:
        for signal in (pre_execute, post_execute):
            signal.disconnect(note)

    assert [task.id for task in hooked] == [task_id]
    assert told == [["func", "task"], ["task"]]


def test_a_package_is_run_by_its_old_name():
    from django_q.wire.package import new_package

    assert result(_sync(new_package("math.floor", (1.5,), {}, {}))) == 1


def insert_user(name: str) -> None:
    """Write past the models: Django does not notice the error."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO auth_user SELECT 1000, password, last_login, is_superuser, username, "
            "first_name, last_name, email, is_staff, is_active, date_joined FROM auth_user"
        )


def write_and_fail() -> None:
    """Fail after a write."""
    make_user("written")
    raise ValueError


@pytest.mark.parametrize("broker", ["memory", "custom"], indirect=True)
def test_options_of_how_a_task_waits_are_ignored_with_a_line(broker, caplog):
    caplog.set_level("INFO", "django-q")
    options = {"run_after": 3600, "unique": "key", "priority": 5, "on_duplicate": "reject"}

    ids = [async_task(multiply, 2, 3, sync=True, q_options=options) for _ in range(2)]

    assert [result(task_id) for task_id in ids] == [6, 6]
    assert broker.queue_size() == 0
    lines = [line for line in caplog.messages if "runs at once" in line]
    assert len(lines) == 2
    assert lines[0].endswith("runs at once, without its priority, run_after, unique")


def test_a_call_that_could_not_be_enqueued_is_refused_here_too():
    for options in ({"unique": True}, {"unique_for": 5}, {"priority": 101}):
        with pytest.raises(PackageError):
            async_task(multiply, object(), 3, sync=True, q_options=options)
    assert not Success.objects.exists()


class InATestCase(TestCase):
    """What a project's own tests do."""

    def test_the_connection_of_the_test_stays_open(self):
        User.objects.create(username="before")
        raw = connection.connection

        task_id = async_task(make_user, "inside", sync=True)
        async_task(raise_error, sync=True)

        assert connection.connection is raw
        assert connection.in_atomic_block
        assert fetch(task_id).success
        assert set(User.objects.values_list("username", flat=True)) == {"before", "inside"}

    def test_nothing_of_another_test_is_left(self):
        assert User.objects.count() == 0
        assert Success.objects.count() == 0

    def test_chains_and_iterables_run_too(self):
        assert result(async_iter(multiply, [(1, 2), (3, 4)], sync=True)) == [2, 12]
        group = async_chain([(multiply, (1, 2)), (multiply, (3, 4))], sync=True)
        assert sorted(result_group(group)) == [2, 12]

    def test_a_database_error_inside_a_task_does_not_break_the_test(self):
        User.objects.create(username="twin")

        for func in (make_user, insert_user):
            task_id = async_task(func, "twin", sync=True)

            assert not fetch(task_id).success
            assert User.objects.count() == 1

    def test_what_a_task_has_written_before_it_failed_stays(self):
        task_id = async_task(write_and_fail, sync=True)

        assert not fetch(task_id).success
        assert User.objects.filter(username="written").exists()
