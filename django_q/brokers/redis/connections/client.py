"""Make the client of Redis from ``Q_CLUSTER['redis']``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from django_q.conf import Conf
from django_q.servers.connections import connect_redis

#: Time-outs of a connection, in seconds, unless the settings say otherwise.
DEFAULT_SOCKET_TIMEOUTS = {"socket_connect_timeout": 5, "socket_timeout": 10}
#: How often a command is repeated after its connection has failed.
MAX_CONNECTION_RETRIES = 3
#: Seconds between two attempts: the most, and the first.
RETRY_BACKOFF_SECONDS = (1, 0.1)


def configured_client() -> Any:
    """Connect to Redis as the settings say, with time-outs where they have none."""
    options = Conf.REDIS
    if isinstance(options, str):
        options = {"url": options}
    return connect_redis(with_defaults(options or {}), Conf.DJANGO_REDIS)


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
