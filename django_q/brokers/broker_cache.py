"""Keep one broker a queue in each process, so that not every call makes a connection."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from django_q.brokers import get_broker
from django_q.conf import Conf


def shared_broker(cluster: str | None = None, list_key: str | None = None) -> Any:
    """Return the broker for the queue of a cluster, which a process makes once.

    ``list_key`` names another list. A broker of the project's own class is made for each call, as
    its author expects: only those of this package are known to be thread-safe.
    """
    if Conf.BROKER_CLASS:
        return make_broker(cluster, list_key)
    settings_key = (Conf.CLUSTER_NAME, Conf.ORM, str(Conf.REDIS), Conf.DJANGO_REDIS, str(Conf.SQS))
    return cached_broker(cluster, list_key, os.getpid(), *settings_key)


@lru_cache(maxsize=64)
def cached_broker(cluster: str | None, list_key: str | None, *settings_key: Any) -> Any:
    """Make a broker once for each process and each value of the settings that it depends on."""
    return make_broker(cluster, list_key)


def make_broker(cluster: str | None, list_key: str | None) -> Any:
    """Make a broker for the queue of a cluster, or for the list ``list_key``."""
    broker = get_broker(cluster)
    if list_key:
        broker.list_key = list_key
    return broker
