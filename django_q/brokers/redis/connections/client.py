"""Make the client of Redis from ``Q_CLUSTER['redis']``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from django_q.conf import Conf
from django_q.servers.connections import connect_redis

#: Time-outs of a connection, in seconds, unless the settings say otherwise.
DEFAULT_SOCKET_TIMEOUTS = {"socket_connect_timeout": 5, "socket_timeout": 10}
#: How often a command is repeated after its connection has failed.
MAX_CONNECTION_RETRIES = 3
#: Seconds between two attempts: the most, and the first.
RETRY_BACKOFF_SECONDS = (1, 0.1)

#: A late notification costs less than a caller that waits: one attempt, of a second at most.
MESSAGE_CLIENT_OPTIONS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 1,
    "retry": Retry(NoBackoff(), 0),
}


def configured_client(key: str) -> Any:
    """Connect to Redis as the settings say, with time-outs where they have none.

    In Redis Cluster the client serves the keys that are in the slot of ``key``.
    """
    options = Conf.REDIS
    if isinstance(options, str):
        options = {"url": options}
    return connect_redis(with_defaults(options or {}), Conf.DJANGO_REDIS, key)


def with_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Add time-outs and a retry policy to connection options that have none.

    A command is repeated after a connection error, never after a time-out: a server that is only
    slow has run the push it was sent, and would push twice.
    """
    retry = Retry(
        ExponentialBackoff(*RETRY_BACKOFF_SECONDS),
        MAX_CONNECTION_RETRIES,
        supported_errors=(redis.ConnectionError,),
    )
    return {**DEFAULT_SOCKET_TIMEOUTS, "retry": retry, **options}


def message_client() -> Any:
    """Return this process's client for notifications.

    In Redis Cluster it uses one server, which knows how many have subscribed there.
    """
    return cached_message_client(os.getpid(), str(Conf.REDIS), Conf.DJANGO_REDIS, Conf.PREFIX)


@lru_cache(maxsize=4)
def cached_message_client(*settings_key: Any) -> Any:
    """Make a client once for each process and each value of the settings that it depends on."""
    options = {"url": Conf.REDIS} if isinstance(Conf.REDIS, str) else dict(Conf.REDIS or {})
    return connect_redis({**options, **MESSAGE_CLIENT_OPTIONS}, Conf.DJANGO_REDIS, Conf.Q_STAT)
