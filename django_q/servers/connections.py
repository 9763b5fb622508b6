"""Open connections to servers with time limits, and close them before a process forks."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.signals import connection_created

#: Seconds after which a server that does not acknowledge what it is sent counts as unreachable.
DEAD_SERVER_SECONDS = 30
#: Seconds after which an attempt to connect is given up and repeated: within one attempt the kernel
#: asks less and less often, after 1, 3, 7 and 15 seconds.
CONNECT_SECONDS = 10
#: The same limit as socket options. With nothing to send, the kernel probes at such intervals.
KEEPALIVE_OPTIONS = {
    "TCP_USER_TIMEOUT": DEAD_SERVER_SECONDS * 1000,  # milliseconds
    "TCP_KEEPIDLE": DEAD_SERVER_SECONDS // 2,
    "TCP_KEEPINTVL": DEAD_SERVER_SECONDS // 6,
    "TCP_KEEPCNT": 3,
}
#: The project's OPTIONS of each database for which this process, or its parent, has set others.
PROJECT_DATABASE_OPTIONS: dict[str, dict] = {}
#: The error for an invalid URL, without quoting it.
INVALID_URL_MESSAGE = (
    "Q_CLUSTER['redis']: the URL can not be read. It must look like "
    "'redis://user:password@host:6379/0'; write '/', '#', '?' and '@' in a password as %2F, %23, "
    "%3F and %40, or pass the arguments of redis.Redis in a dictionary."
)
#: Names in a database's OPTIONS by which a project sets keep-alive itself.
PROJECT_KEEPALIVE_NAMES = ("tcp_user_timeout", "keepalives", "keepalives_idle")


def connect_redis(
    options: Mapping[str, Any] | str | None, django_redis: str | None = None, key: str = ""
) -> Any:
    """Make a Redis client from a URL, from keyword arguments, or from a django_redis cache.

    ``options`` may have ``url`` beside further arguments, and sentinels in place of a server. In
    Redis Cluster the client serves the slot of ``key``. Nothing is sent yet.
    """
    if django_redis:
        if django_redis not in caches.settings:  # Django's error would quote it
            raise ImproperlyConfigured("Q_CLUSTER['django_redis'] names no cache in CACHES.")
        cache_client = getattr(caches[django_redis], "client", None)
        if cache_client is None:
            raise TypeError(
                f"Q_CLUSTER['django_redis'] must name a cache of django_redis, "
                f"and '{django_redis}' is a {type(caches[django_redis]).__name__}."
            )
        return cache_client.get_client(write=True)
    # Imported here: a queue in a database does without redis-py, its 8 MiB and 0.1 seconds.
    import redis

    from django_q.servers import redis_cluster, redis_sentinel

    arguments = {"url": options} if isinstance(options, str) else dict(options or {})
    arguments = {**redis_client_info(redis), **arguments}
    if redis_sentinel.is_sentinel(arguments):
        return redis_sentinel.connect_to_master(arguments)
    check_address(arguments)
    if redis_cluster.is_cluster(arguments):
        return redis_cluster.connect_to_slot(arguments, key)
    arguments.pop("cluster", None)  # False
    if url := arguments.pop("url", None):
        try:
            return redis.Redis.from_url(url, **arguments)
        except ValueError:  # whose text quotes a part of it
            raise ImproperlyConfigured(INVALID_URL_MESSAGE) from None
    return redis.Redis(**arguments)


def check_address(arguments: Mapping[str, Any]) -> None:
    """Raise ``ImproperlyConfigured`` for an address that would be read as another one.

    A slash in a password ends the host's part of a URL: the part before it would be used as the
    name of a server, and appear in each error of the connection.
    """
    url, host = arguments.get("url"), arguments.get("host")
    rest = re.split("[/?#]", url.partition("://")[2], maxsplit=1) if isinstance(url, str) else []
    if len(rest) > 1 and "@" in rest[1]:
        raise ImproperlyConfigured(INVALID_URL_MESSAGE)
    if isinstance(host, str) and ("@" in host or "://" in host):
        raise ImproperlyConfigured("Q_CLUSTER['redis']: 'host' is a URL. Give it as 'url'.")


def cache_of(alias: str) -> Any:
    """Return the cache of an alias. Raises an error that does not quote it, as Django's would."""
    if alias not in caches.settings:
        raise ImproperlyConfigured("Q_CLUSTER['cache'] names no cache in CACHES.")
    return caches[alias]


def check_database(alias: str) -> None:
    """Raise ``ImproperlyConfigured`` unless the database is defined; the alias is not quoted."""
    if alias not in connections.settings:
        raise ImproperlyConfigured("Q_CLUSTER['orm'] names no database in DATABASES.")


@lru_cache(maxsize=1)
def redis_client_info(redis: Any) -> dict[str, Any]:
    """Return the version of redis-py, read once: for each client it would read its metadata."""
    if hasattr(redis, "DriverInfo"):
        return {"driver_info": redis.DriverInfo(lib_version=redis.__version__)}
    return {"lib_version": redis.__version__}


def redis_errors() -> tuple[type[Exception], ...]:
    """Return the errors of redis-py: none while nothing has imported it, as none can be raised."""
    loaded = sys.modules.get("redis.exceptions")
    return (loaded.RedisError,) if loaded else ()


def configure_cluster_databases() -> None:
    """Configure databases for those processes of a cluster that run no tasks.

    They wait no longer than half a minute for a server that is gone: one whose machine dies, or
    whose address moves to another, closes no connection. By default the kernel would wait a quarter
    of an hour, and two hours where it has nothing to send. A statement may still take any time, as
    the kernel at the other end acknowledges it.

    There is no pool of connections, which would serve many threads.
    """
    for connection in usable_connections():
        settings = connection.settings_dict
        options = PROJECT_DATABASE_OPTIONS.setdefault(connection.alias, settings["OPTIONS"])
        if connection.vendor in ("postgresql", "mysql"):
            options = {"connect_timeout": CONNECT_SECONDS, **options}
        settings["OPTIONS"] = {name: options[name] for name in options if name != "pool"}
    connection_created.connect(enable_keepalive)


def configure_sentinel_databases(seconds: float) -> None:
    """Configure databases for a process that waits for an answer no longer than ``seconds``.

    Only for MySQLdb: it waits in C, where no signal handler of Python can interrupt it.
    """
    limits = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), int(seconds))
    for connection in usable_connections():
        if connection.vendor == "mysql" and connection.Database.__name__ == "MySQLdb":
            settings = connection.settings_dict
            settings["OPTIONS"] = {**settings["OPTIONS"], **limits}


@contextlib.contextmanager
def interruptible_psycopg2() -> Iterator[None]:
    """Let psycopg 2 wait in Python during a block, so that a signal handler can end the wait."""
    extensions = sys.modules.get("psycopg2.extensions")
    if extensions is None or extensions.get_wait_callback():
        yield
        return
    extensions.set_wait_callback(sys.modules["psycopg2.extras"].wait_select)
    try:
        yield
    finally:
        extensions.set_wait_callback(None)


def restore_project_databases() -> None:
    """Restore the project's configuration of databases, in a worker that was forked."""
    for alias, options in PROJECT_DATABASE_OPTIONS.items():
        connections.settings[alias]["OPTIONS"] = options
    connection_created.disconnect(enable_keepalive)


def usable_connections() -> Iterator[Any]:
    """Yield this thread's connection to each database whose settings and driver are valid."""
    for alias in connections:
        with contextlib.suppress(ImproperlyConfigured):  # whoever uses it gets the error
            yield connections[alias]


def enable_keepalive(connection: Any, **kwargs: Any) -> None:
    """Turn on TCP keep-alive for a new connection; a receiver of ``connection_created``."""
    fileno = getattr(connection.connection, "fileno", None)
    if fileno is None or not connection.settings_dict["OPTIONS"].keys().isdisjoint(
        PROJECT_KEEPALIVE_NAMES
    ):
        return
    blocks = os.get_blocking(fileno())
    with socket.socket(fileno=os.dup(fileno())) as duplicate:
        if duplicate.family in (socket.AF_INET, socket.AF_INET6):
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE_OPTIONS.items():
                if hasattr(socket, name):
                    duplicate.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    os.set_blocking(fileno(), blocks)  # which socket.setdefaulttimeout() may have changed


def close_all() -> None:
    """Close all connections and pools before a fork: a child must not share them."""
    caches.close_all()
    connections.close_all()
    for connection in usable_connections():
        with contextlib.suppress(ImproperlyConfigured):
            if hasattr(connection, "close_pool"):  # of PostgreSQL and Oracle, for all threads
                connection.close_pool()


def allows_raw_statements(connection: Any) -> bool:
    """Return True if a statement may be given to the driver itself, to be committed at once.

    False where other code observes statements, as ``assertNumQueries`` and debug toolbars do: they
    have them logged, wrap them, or replace ``cursor`` or the driver's connection. False, too, where
    a backend that is not Django's makes cursors, such as that of django-tenants, which may choose
    the schema there.
    """
    connection.validate_thread_sharing()
    connection.close_if_health_check_failed()
    return (
        connection.get_autocommit()
        and not connection.queries_logged
        and not connection.execute_wrappers
        and not replaces_cursor(connection)
        and uses_django_cursors(type(connection))
        and type(connection.connection) is getattr(connection.Database, "Connection", None)
    )


def replaces_cursor(connection: Any) -> bool:
    """Return True if a connection makes cursors by a function of its own.

    Django's tests set the method of its class on it when they have taken their block away.
    """
    own = vars(connection).get("cursor")
    return own is not None and getattr(own, "__func__", None) is not type(connection).cursor


@lru_cache
def uses_django_cursors(backend: type) -> bool:
    """Return True if a backend makes cursors by methods of Django alone."""
    makers = (getattr(backend, name) for name in ("cursor", "_cursor", "create_cursor"))
    return all(maker.__module__.startswith("django.") for maker in makers)


class OpenedConnections:
    """Records whether this process has ever opened a database connection.

    Asked before each task: to go through the connections of a process that has opened none would
    take longer than many tasks.
    """

    any = False

    @classmethod
    def record(cls, **kwargs: Any) -> None:
        """Record that a connection was opened; a receiver of ``connection_created``."""
        cls.any = True

    @classmethod
    def reset(cls) -> None:
        """Reset after a fork: the parent has closed its connections before."""
        cls.any = False


connection_created.connect(OpenedConnections.record, dispatch_uid="django_q.servers.connections")


def close_old() -> None:
    """Close the database connections that have failed or are older than ``CONN_MAX_AGE``.

    Those inside an atomic block stay open, as the transaction is the caller's. Logs of statements,
    which ``DEBUG`` keeps, are cleared, as Django does for each request.
    """
    if not OpenedConnections.any:
        return
    for connection in connections.all(initialized_only=True):
        connection.queries_log.clear()
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
