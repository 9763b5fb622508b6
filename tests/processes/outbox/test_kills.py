"""A process that is killed around its COMMIT: its task is enqueued once, or its rows are not there.

A child of the test calls ``async_task`` in a transaction, and kills itself at one of the calls of
its drivers: before or after the first of them, the second one, and so on, until it ends by itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import pytest
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from redis.connection import AbstractConnection

from django_q.brokers.broker_cache import shared_broker
from django_q.models import Success, Task
from django_q.outbox.outage import outage_of
from django_q.outbox.rows import outbox_rows
from django_q.tasks import async_task
from tests.faults.proxy import Mode
from tests.outboxes import kept_ids, on_both_databases, queued, relay_all
from tests.tasks import echo

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

NOW = "2026-01-01T00:00:00Z"
#: More calls than one such transaction makes.
MAX_CALLS = 60


class Killer:
    """Kills its process at a call of a driver, whose number counts from 1."""

    def __init__(self, number: int) -> None:
        self.left = number

    def count(self) -> None:
        """Count an instant, and kill the process at the last one."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: type, name: str) -> None:
        """Count the instants before and after a method."""
        method = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.count()
            value = method(*args, **kwargs)
            self.count()
            return value

        setattr(owner, name, counted)

    def watch(self, alias: str) -> None:
        """Count the calls of both drivers from now on."""
        self.around(BaseDatabaseWrapper, "_commit")
        self.around(AbstractConnection, "send_packed_command")
        self.around(AbstractConnection, "read_response")
        connections[alias].execute_wrappers.append(self.around_statement)

    def around_statement(self, execute: Callable, *args: Any) -> Any:
        """Count the instants before and after a statement."""
        self.count()
        value = execute(*args)
        self.count()
        return value


def die_at(
    number: int, alias: str, act: Callable[[], Any], failing: AbstractContextManager | None = None
) -> bool:
    """Act in a child, which is killed at an instant; whether it was.

    ``failing`` is entered when the child has connected to both servers.
    """
    connections.close_all()
    (is_ready, ready), (may_go_on, go_on) = os.pipe(), os.pipe()
    child = os.fork()
    if child:
        os.read(is_ready, 1)
        with failing or nullcontext():
            os.write(go_on, b"x")
            status = os.waitpid(child, 0)[1]
        for descriptor in (is_ready, ready, may_go_on, go_on):
            os.close(descriptor)
        return os.WIFSIGNALED(status)
    try:
        Task.objects.using(alias).exists()
        shared_broker().ping()
        os.write(ready, b"x")
        os.read(may_go_on, 1)
        Killer(number).watch(alias)
        act()
        os._exit(0)
    finally:
        os._exit(1)


def order(number: int, alias: str, options: dict[str, Any]) -> None:
    """Commit a row, and call a task in that transaction."""
    with transaction.atomic(using=alias):
        values = {"id": f"order-{number}", "name": "an order", "func": "f"}
        Task.objects.using(alias).create(**values, started=NOW, stopped=NOW)
        async_task(echo, number, q_options=options)


def order_only(number: int, alias: str, options: dict[str, Any]) -> None:
    """Do as ``order`` does in a process that is killed right behind its commit."""
    with transaction.atomic(using=alias):
        order(number, alias, options)
        connections[alias].run_on_commit.clear()


def orders(alias: str) -> list[int]:
    """List the numbers of the rows that were committed."""
    found = Task.objects.using(alias).filter(name="an order")
    return sorted(int(task.id.partition("-")[2]) for task in found)


def called(broker: Any) -> list[int]:
    """List the arguments of the tasks in the queue."""
    return sorted(package["args"][0] for package in queued(broker))


@on_both_databases
@pytest.mark.parametrize("options", [{}, {"unique": True}], ids=["plain", "terms"])
def test_a_process_killed_around_its_commit_leaves_one_task_of_each_order(broker, outbox, options):
    Task.objects.using(outbox).all().delete()

    number = 1
    while number < MAX_CALLS and die_at(number, outbox, partial(order, number, outbox, options)):
        number += 1

    assert 15 < number < MAX_CALLS
    assert orders(outbox)[-1] == number
    assert set(called(broker)) < set(orders(outbox)), "no process was killed before its push"
    relay_all()
    assert called(broker) == orders(outbox)
    assert kept_ids() == []
    relay_all()
    assert called(broker) == orders(outbox)


@pytest.mark.parametrize("mode", [Mode.REFUSE, Mode.DEAF], ids=["away", "cut"])
@pytest.mark.parametrize("options", [{}, {"priority": 5}], ids=["plain", "terms"])
def test_so_does_one_that_is_killed_while_redis_is_away_or_its_reply_is_lost(
    broker, network, outbox, mode, options
):
    Task.objects.using(outbox).all().delete()

    number = 1
    while number < MAX_CALLS:
        outage_of.cache_clear()
        act = partial(order, number, outbox, options)
        was_killed = die_at(number, outbox, act, network.failing(mode))
        if not was_killed:
            break
        number += 1

    assert 8 < number < MAX_CALLS
    assert len(kept_ids()) == len(orders(outbox))
    assert bool(called(broker)) == (mode is Mode.DEAF), "no push has reached the server"
    relay_all()
    assert called(broker) == orders(outbox)
    assert kept_ids() == []


@on_both_databases
@pytest.mark.parametrize("options", [{}, {"unique": True}], ids=["plain", "terms"])
def test_a_relay_that_is_killed_at_any_instant_leaves_one_task_of_each_order(
    broker, outbox, options
):
    Task.objects.using(outbox).all().delete()

    number = 1
    order_only(number, outbox, options)
    while number < MAX_CALLS and die_at(number, outbox, relay_all):
        relay_all()
        number += 1
        order_only(number, outbox, options)

    assert 10 < number < MAX_CALLS
    assert called(broker) == orders(outbox) == list(range(1, number + 1))
    assert kept_ids() == []


def test_two_clusters_without_schedules_relay_what_a_killed_process_has_left(
    broker, outbox, running_cluster, wait_until
):
    for number in (1, 2, 3):
        order_only(number, outbox, {"group": "relayed"})

    for _ in range(2):
        running_cluster(workers=1, outbox=outbox)

    wait_until(lambda: Success.objects.filter(group="relayed").count() == 3)
    wait_until(lambda: outbox_rows().count() == 0)
    done = Success.objects.filter(group="relayed")
    assert sorted(task.result[0][0] for task in done) == [1, 2, 3]
