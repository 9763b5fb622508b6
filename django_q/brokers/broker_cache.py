"""The brokers that a process keeps for sending, so that not every call makes a connection."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from django_q.brokers import get_broker
from django_q.conf import Conf


def shared_broker(cluster: str | None = None, list_key: str | None = None) -> Any:
    """Give the broker for the queue of a cluster, made once in a process.

    ``list_key`` names another list. A broker of the project's own class is made for each call, as
    its author expects: only those of this package are known to serve several threads.
    """
    if Conf.BROKER_CLASS:
        return make_broker(cluster, list_key)
    places = (Conf.CLUSTER_NAME, Conf.ORM, str(Conf.REDIS), Conf.DJANGO_REDIS, str(Conf.SQS))
    return cached_broker(cluster, list_key, os.getpid(), *places)


@lru_cache(maxsize=64)
def cached_broker(cluster: str | None, list_key: str | None, *settings_key: Any) -> Any:
    """Make a broker and keep it, for this process and these settings."""
    return make_broker(cluster, list_key)


def make_broker(cluster: str | None, list_key: str | None) -> Any:
    """Make a broker."""
    broker = get_broker(cluster)
    if list_key:
        broker.list_key = list_key
    return broker
