"""Any value for any option: refused at the call, or its task ends once."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_q.brokers.redis_broker import Redis
from django_q.exceptions import PackageError
from django_q.models import Part, Task
from django_q.signals import post_execute, pre_enqueue
from django_q.tasks import (
    AsyncTask,
    async_batch,
    async_iter,
    async_task,
)
from tests.tasks import echo, hook

pytestmark = pytest.mark.django_db(transaction=True)


#: Anything that somebody may pass.
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.decimals()
    | st.text(max_size=200)
    | st.binary(max_size=5)
    | st.uuids()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.sampled_from(
        [echo, hook, len, object, Redis, lazystr("a"), mark_safe("tests.tasks.echo")]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=5,
)


#: Values that are near to what is meant.
NEAR = st.sampled_from(
    ["5", " 5", "5.5", "1e3", "-1", 0, 1, 5, 5.0, -1, "tests.tasks.hook", "tests.tasks.echo", "f",
     ["tests.tasks.echo"], [("tests.tasks.echo", (1,))], [(echo, (), {"group": 5})], True, False]
)  # fmt: skip


FUZZED = ["group", "timeout", "max_attempts", "save", "cached", "ack_failure", "hook", "chain",
          "task_name", "chain_options", "iter_group", "iter_name", "iter_position", "sync",
          "on_commit", "iter_cached", "gruop"]  # fmt: skip


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    options=st.dictionaries(st.sampled_from(FUZZED), NEAR | ANYTHING, max_size=3),
    func=st.just(echo) | st.just("tests.tasks.raise_error") | NEAR | ANYTHING,
    place=st.sampled_from(["q_options", "attribute", "receiver", "iter", "batch"]),
)
def test_any_option_is_refused_at_the_call_or_its_task_ends_once(
    broker, run_all, conf, options, func, place
):
    conf(max_attempts=1)
    if {"max_attempts", "ack_failure"} & options.keys():
        func = echo  # a failure would come again after a while
    ended: list[str] = []
    listen = lambda task, **kwargs: ended.append(task["id"])  # noqa: E731 - one at a time
    spoil = lambda task, **kwargs: task.update(options)  # noqa: E731
    post_execute.connect(listen)
    if place == "receiver":
        pre_enqueue.connect(spoil)
    try:
        task_id = submitted(func, options, place)
    except (PackageError, TypeError):
        assert not broker.queue_size()
        assert not ended
    else:
        pre_enqueue.disconnect(spoil)  # links that follow are no part of this
        run_all(broker)
        assert ended.count(task_id) == 1
        row = Task.objects.filter(id=task_id)
        assert row.exists() or kept_elsewhere(options)
    finally:
        pre_enqueue.disconnect(spoil)
        post_execute.disconnect(listen)
    assert (broker.queue_size(), broker.lock_size(), broker.dead_size()) == (0, 0, 0)
    assert not Part.objects.exists()
    Task.objects.all().delete()
    cache.clear()


def submitted(func: Any, options: dict[str, Any], place: str) -> str:
    """Make a call with options, and return its id."""
    if place == "receiver":
        return async_task(func, 1)
    if place == "batch":
        return async_batch([(func, (1,))], q_options=options)[0]
    if place == "iter":
        return async_iter(func, [1, 2], q_options=options)
    task = AsyncTask(func, 1)
    for name, value in options.items() if place == "attribute" else ():
        setattr(task, name, value)
    if place == "q_options":
        task.kwargs["q_options"] = options
    return task.run()


def kept_elsewhere(options: dict[str, Any]) -> bool:
    """Whether a call asks for no row where it succeeds, or for one in the cache."""
    keeps = options.get("save") in (None, True, 1)
    return not keeps or bool(options.get("cached") or options.get("iter_cached"))
