"""Notifications of PostgreSQL tell who waits, and nobody notifies where none does."""

from __future__ import annotations

import pytest
from django.db import connections, transaction

from django_q.brokers.contract.result_channel import ChannelFailed, mark_of
from django_q.results.waiting.postgres_channel import PostgresResultChannel
from tests.waiting import wait_until


def test_marks_arrive_in_chunks_that_postgresql_takes(postgres):
    channel = PostgresResultChannel(postgres)
    marks = [mark_of(number) for number in range(2000)]
    assert channel.tell(marks) is False
    subscriptions = [channel.subscribe(), channel.subscribe()]

    assert channel.tell(marks) is True

    for subscription in subscriptions:
        read: set[str] = set()
        wait_until(lambda s=subscription, read=read: read.update(s.read()) or len(read) >= 2000)
        assert read == set(marks)
        subscription.close()
    wait_until(lambda: channel.tell(marks) is False)


def test_two_monitors_that_ask_at_once_do_not_wait_for_each_other(postgres):
    channel = PostgresResultChannel(postgres)
    other = connections[postgres].copy()

    with transaction.atomic(postgres), other.cursor() as cursor:
        channel.tell(["a"])  # has the lock until it commits
        cursor.execute("SET statement_timeout = 5000")
        cursor.execute("SELECT PG_TRY_ADVISORY_XACT_LOCK(6580849, 2002872692)")
        assert cursor.fetchone() == (False,)
    other.close()


def test_nobody_subscribes_inside_a_transaction(postgres):
    with transaction.atomic(postgres):
        assert PostgresResultChannel(postgres).subscribe() is None


def test_a_connection_that_is_lost_is_a_failure_of_the_channel(postgres):
    channel = PostgresResultChannel(postgres)
    subscription = channel.subscribe()
    with connections[postgres].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [subscription.listener.info.backend_pid])

    with pytest.raises(ChannelFailed, match="PostgreSQL does not notify"):
        wait_until(lambda: subscription.read())
    subscription.close()
