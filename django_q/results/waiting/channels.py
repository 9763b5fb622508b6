"""Choose what tells that tasks have ended: the server of the broker, or the database of results."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router

from django_q.brokers import broker_class
from django_q.brokers.contract.result_channel import ResultChannel
from django_q.models import Task
from django_q.results.waiting.postgres_channel import PostgresResultChannel
from django_q.results.waiting.sqlite_channel import SqliteResultChannel

#: By the vendor of the database that results are saved in.
DATABASE_CHANNELS = {"postgresql": PostgresResultChannel, "sqlite": SqliteResultChannel}


def channel_of(broker: Any) -> ResultChannel | None:
    """Make the channel for a broker, or its class; None where neither has a way to tell."""
    if make := getattr(broker, "result_channel", None):
        return make()
    alias = router.db_for_write(Task)
    make_for_database = DATABASE_CHANNELS.get(connections[alias].vendor)
    return make_for_database(alias) if make_for_database else None


def configured_channel() -> ResultChannel | None:
    """Make the channel for the broker of the settings; None where these name none."""
    try:
        return channel_of(broker_class())
    except (ImproperlyConfigured, ImportError):
        return None
