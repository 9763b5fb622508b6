"""Language, time zone and context variables that tasks have of their callers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.utils import timezone, translation

from django_q.caller_context.travel import log_left_out
from django_q.models import Schedule, Task
from django_q.signing import SignedPackage
from django_q.tasks import (
    async_batch,
    async_chain,
    async_iter,
    async_task,
    fetch,
    resubmit,
    result,
    result_group,
    run_now,
)
from tests.caller_contexts import (
    HOOK_CONTEXTS,
    TENANT,
    Tenant,
    Unreadable,
    fail_first,
    hook,
    tell_context,
)

pytestmark = pytest.mark.django_db(transaction=True)

#: What a task tells that has nothing of its caller, and one that has all.
DEFAULT, OURS = ["en-us", "Europe/Amsterdam", "no tenant"], ["de", "Europe/Berlin", "tenant acme"]


@pytest.fixture(autouse=True)
def named(conf: Any) -> None:
    """Have all three travel."""
    conf(context=["language", "timezone", "tests.caller_contexts.TENANT"])
    log_left_out.cache_clear()
    HOOK_CONTEXTS.clear()


@contextmanager
def context(tenant: Any = None) -> Iterator[None]:
    """Have a language, a time zone and a tenant in a block."""
    token = TENANT.set(tenant or Tenant("acme"))
    with translation.override("de"), timezone.override("Europe/Berlin"):
        yield
    TENANT.reset(token)


def sent(broker: Any) -> list[dict]:
    """List the packages in the queue."""
    return [SignedPackage.loads(task.payload) for task in broker.list_tasks()]


def test_a_task_has_the_context_of_its_caller_and_the_next_one_has_its_own(broker, run_all):
    with context():
        ours = async_task(tell_context)
    other = async_task(tell_context)

    run_all(broker)

    assert (result(ours), result(other)) == (OURS, DEFAULT)
    assert tell_context() == DEFAULT


def test_what_is_as_by_default_adds_nothing_to_a_package(broker):
    async_task(tell_context)

    (package,) = sent(broker)

    assert "context" not in package


def test_only_what_the_settings_name_travels(broker, run_all, conf):
    conf(context=["language"])
    with context():
        task_id = async_task(tell_context)
    (package,) = sent(broker)
    run_all(broker)

    assert json.loads(package["context"]) == {"language": "de"}
    assert result(task_id) == ["de", "Europe/Amsterdam", "no tenant"]


def test_a_worker_sets_only_what_its_own_settings_name(broker, run_all, conf):
    with context():
        task_id = async_task(tell_context)
    conf(context=["timezone"])

    run_all(broker)

    assert result(task_id) == ["en-us", "Europe/Berlin", "no tenant"]


def test_batches_chains_and_iterables_have_it(broker, run_all):
    with context():
        ids = async_batch([tell_context, tell_context])
        group = async_chain([tell_context, tell_context])
        whole = async_iter(tell_context, [1, 2])

    run_all(broker)

    assert [result(task_id) for task_id in ids] == [OURS, OURS]
    assert result_group(group) == [OURS, OURS]
    assert result(whole) == [OURS, OURS]


def test_a_hook_has_it_too(broker, run_all):
    with context():
        async_task(tell_context, hook=hook, task_name="one")
        async_iter(tell_context, [1, 2], hook=hook, task_name="whole")

    run_all(broker)

    assert sorted(HOOK_CONTEXTS) == [("one", *OURS), ("whole", *OURS)]


def test_each_attempt_has_it(broker, run_all):
    with context():
        task_id = async_task(fail_first, q_options={"retries": 1, "retry_delay": 0})

    run_all(broker)

    assert result(task_id) == OURS


def test_a_task_that_runs_at_once_has_it():
    with context():
        task_id = async_task(tell_context, sync=True)

    assert result(task_id) == OURS


def test_a_task_that_a_task_calls_has_what_that_one_has(broker, run_all):
    with context():
        async_task("django_q.tasks.async_task", tell_context, task_name="outer")

    run_all(broker)

    assert result(result("outer")) == OURS


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_values_travel_as_the_arguments_of_tasks_do(broker, run_all, conf, serializer):
    conf(serializer=serializer)
    with context(tenant=["acme", 1]):
        task_id = async_task(tell_context)

    run_all(broker)

    assert result(task_id)[2] == "['acme', 1]"


def test_a_value_that_can_not_be_serialized_is_left_out_and_logged_once(broker, run_all, caplog):
    with context(tenant=lambda: None):
        ids = [async_task(tell_context) for _ in range(2)]

    run_all(broker)

    assert [result(task_id) for task_id in ids] == [["de", "Europe/Berlin", "no tenant"]] * 2
    assert caplog.text.count("'tests.caller_contexts.TENANT' does not travel with tasks") == 1


def test_a_value_that_a_worker_can_not_read_costs_nothing_but_itself(broker, run_all, caplog):
    with context(tenant=Unreadable()):
        ids = [async_task(tell_context) for _ in range(2)]

    run_all(broker)

    assert [result(task_id) for task_id in ids] == [["de", "Europe/Berlin", "no tenant"]] * 2
    assert caplog.text.count("'tests.caller_contexts.TENANT' is not set for a task") == 1


@pytest.mark.parametrize("text", ["no JSON", 5, "5", "[]", '{"timezone": "Nowhere"}', b"\xff", {}])
def test_a_context_that_is_none_fails_no_task(broker, run_all, text):
    async_task(tell_context, task_name="odd")
    (package,) = sent(broker)
    broker.delete_queue()
    broker.enqueue(SignedPackage.dumps({**package, "context": text}))

    run_all(broker)

    assert result("odd") == DEFAULT


def test_schedules_and_resubmitted_tasks_have_nothing_of_who_calls(broker, run_all):
    schedule = Schedule.objects.create(func="tests.caller_contexts.tell_context", repeats=0)
    failed = async_task("tests.tasks.raise_error")
    run_all(broker)
    with context():
        task_id = run_now(schedule)
        resubmit(fetch(failed))
    packages = sent(broker)
    run_all(broker)

    assert result(task_id) == DEFAULT
    assert ["context" in package for package in packages] == [False, False]
    assert Task.objects.count() == 2
