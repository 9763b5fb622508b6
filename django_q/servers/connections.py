"""Connections to servers: made here, and let go of before a process forks."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.backends.signals import connection_created

#: Seconds after which a server is given up that does not even acknowledge what it is sent.
DEAD_SERVER_SECONDS = 30
#: Seconds after which an attempt to connect is given up for another: the kernel asks less and less
#: often, after 1, 3, 7 and 15 seconds.
CONNECT_SECONDS = 10
#: The same for the kernel. Where nothing is to be sent it asks, as often as these seconds say.
KEEPALIVE_OPTIONS = {
    "TCP_USER_TIMEOUT": DEAD_SERVER_SECONDS * 1000,  # milliseconds
    "TCP_KEEPIDLE": DEAD_SERVER_SECONDS // 2,
    "TCP_KEEPINTVL": DEAD_SERVER_SECONDS // 6,
    "TCP_KEEPCNT": 3,
}
#: The OPTIONS of each database, where this process, or the one it was forked from, has others.
PROJECT_DATABASE_OPTIONS: dict[str, dict] = {}
#: What is said of a URL without quoting it.
INVALID_URL_MESSAGE = (
    "Q_CLUSTER['redis']: the URL can not be read. It must look like "
    "'redis://user:password@host:6379/0'; write '/', '#', '?' and '@' in a password as %2F, %23, "
    "%3F and %40, or pass the arguments of redis.Redis in a dictionary."
)
#: Names in a database's OPTIONS by which a project says so itself.
PROJECT_KEEPALIVE_NAMES = ("tcp_user_timeout", "keepalives", "keepalives_idle")


def connect_redis(options: Mapping[str, Any] | str | None, django_redis: str | None = None) -> Any:
    """Make a Redis client from a URL, from keyword arguments, or from a django_redis cache.

    ``options`` may hold ``url`` beside further arguments, and may name sentinels in place of a
    server. Nothing is sent yet.
    """
    if django_redis:
        if django_redis not in caches.settings:  # whose error would quote it
            raise ImproperlyConfigured("Q_CLUSTER['django_redis'] names no cache in CACHES.")
        from_cache = getattr(caches[django_redis], "client", None)
        if from_cache is None:
            raise TypeError(
                f"Q_CLUSTER['django_redis'] must name a cache of django_redis, "
                f"and '{django_redis}' is a {type(caches[django_redis]).__name__}."
            )
        return from_cache.get_client(write=True)
    # Where the queue is in a database, redis-py's 8 MiB and 0.1 seconds are saved.
    import redis

    from django_q.servers import redis_sentinel

    arguments = {"url": options} if isinstance(options, str) else dict(options or {})
    arguments = {**redis_client_info(redis), **arguments}
    if redis_sentinel.is_sentinel(arguments):
        return redis_sentinel.connect_to_master(arguments)
    check_address(arguments)
    if url := arguments.pop("url", None):
        try:
            return redis.Redis.from_url(url, **arguments)
        except ValueError:  # which quotes a part of it
            raise ImproperlyConfigured(INVALID_URL_MESSAGE) from None
    return redis.Redis(**arguments)


def check_address(arguments: Mapping[str, Any]) -> None:
    """Raise ``ImproperlyConfigured`` for an address that would be read as another one.

    A password with a slash ends the host's part of a URL: what stands before it would be taken for
    a server, and be named in each error of the connection.
    """
    url, host = arguments.get("url"), arguments.get("host")
    rest = re.split("[/?#]", url.partition("://")[2], maxsplit=1) if isinstance(url, str) else []
    if len(rest) > 1 and "@" in rest[1]:
        raise ImproperlyConfigured(INVALID_URL_MESSAGE)
    if isinstance(host, str) and ("@" in host or "://" in host):
        raise ImproperlyConfigured("Q_CLUSTER['redis']: 'host' is a URL. Give it as 'url'.")


def cache_of(alias: str) -> Any:
    """Give the cache that ``Q_CLUSTER['cache']`` names. Django's own error would quote it."""
    if alias not in caches.settings:
        raise ImproperlyConfigured("Q_CLUSTER['cache'] names no cache in CACHES.")
    return caches[alias]


def check_database(alias: str) -> None:
    """Raise ``ImproperlyConfigured`` unless a database is defined, without quoting what is set."""
    if alias not in connections.settings:
        raise ImproperlyConfigured("Q_CLUSTER['orm'] names no database in DATABASES.")


@lru_cache(maxsize=1)
def redis_client_info(redis: Any) -> dict[str, Any]:
    """Say who is calling, once: redis-py reads its package's metadata each time otherwise."""
    if hasattr(redis, "DriverInfo"):
        return {"driver_info": redis.DriverInfo(lib_version=redis.__version__)}
    return {"lib_version": redis.__version__}


def redis_errors() -> tuple[type[Exception], ...]:
    """List the errors of redis-py: none where nothing has loaded it, and so none was raised."""
    loaded = sys.modules.get("redis.exceptions")
    return (loaded.RedisError,) if loaded else ()


def configure_cluster_databases() -> None:
    """Have databases as a process of the cluster wants them that runs no tasks.

    It waits no longer than half a minute for a server that is gone: one that dies with its
    machine, or whose address moves to another, says nothing. The kernel then waits a quarter of an
    hour, and two hours where it has nothing to send. A statement may still take as long as it
    likes, for it is the kernel at the other end that acknowledges.

    It has no pool of connections, which is for many threads.
    """
    for connection in usable_connections():
        settings = connection.settings_dict
        options = PROJECT_DATABASE_OPTIONS.setdefault(connection.alias, settings["OPTIONS"])
        if connection.vendor in ("postgresql", "mysql"):
            options = {"connect_timeout": CONNECT_SECONDS, **options}
        settings["OPTIONS"] = {name: options[name] for name in options if name != "pool"}
    connection_created.connect(enable_keepalive)


def configure_sentinel_databases(seconds: float) -> None:
    """Have databases as a process wants them that waits for an answer no longer than this.

    The drivers of MySQL have to be told: they wait in C, where no handler of Python is called.
    """
    limits = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), int(seconds))
    for connection in usable_connections():
        if connection.vendor == "mysql" and connection.Database.__name__ == "MySQLdb":
            settings = connection.settings_dict
            settings["OPTIONS"] = {**settings["OPTIONS"], **limits}


@contextlib.contextmanager
def interruptible_psycopg2() -> Iterator[None]:
    """Have psycopg 2 wait in Python while a block runs, so that a signal's handler can end that."""
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
    """Have databases as the project wants them: in a worker, which is forked from the cluster."""
    for alias, options in PROJECT_DATABASE_OPTIONS.items():
        connections.settings[alias]["OPTIONS"] = options
    connection_created.disconnect(enable_keepalive)


def usable_connections() -> Iterator[Any]:
    """Give this thread's connection to each database whose settings and driver are in order."""
    for alias in connections:
        with contextlib.suppress(ImproperlyConfigured):  # whoever uses it is told
            yield connections[alias]


def enable_keepalive(connection: Any, **kwargs: Any) -> None:
    """Have the kernel ask whether the server is there; a receiver of ``connection_created``."""
    fileno = getattr(connection.connection, "fileno", None)
    if fileno is None or not connection.settings_dict["OPTIONS"].keys().isdisjoint(
        PROJECT_KEEPALIVE_NAMES
    ):
        return
    blocks = os.get_blocking(fileno())
    with socket.socket(fileno=os.dup(fileno())) as line:
        if line.family in (socket.AF_INET, socket.AF_INET6):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE_OPTIONS.items():
                if hasattr(socket, name):
                    line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    os.set_blocking(fileno(), blocks)  # which socket.setdefaulttimeout() may have changed


def close_all() -> None:
    """Close all connections, pools of them too: a child must not share its parent's."""
    caches.close_all()
    connections.close_all()
    for connection in usable_connections():
        with contextlib.suppress(ImproperlyConfigured):
            if hasattr(connection, "close_pool"):  # of PostgreSQL and Oracle, for all threads
                connection.close_pool()


def allows_raw_statements(connection: Any) -> bool:
    """Whether a statement may be given to the driver itself, to be committed at once.

    Not where somebody waits to see statements: who does, as ``assertNumQueries`` and many a
    toolbar, has them logged, wraps them, or puts something in the place of ``cursor`` or of the
    driver's connection. Nor where a backend that is not Django's makes cursors, as that of
    django-tenants: it may choose the schema there.
    """
    connection.validate_thread_sharing()
    connection.close_if_health_check_failed()
    return (
        connection.get_autocommit()
        and not connection.queries_logged
        and not connection.execute_wrappers
        and "cursor" not in vars(connection)
        and uses_django_cursors(type(connection))
        and type(connection.connection) is getattr(connection.Database, "Connection", None)
    )


@lru_cache
def uses_django_cursors(backend: type) -> bool:
    """Whether nothing but Django itself has a part in how a database wrapper makes cursors."""
    makers = (getattr(backend, name) for name in ("cursor", "_cursor", "create_cursor"))
    return all(maker.__module__.startswith("django.") for maker in makers)


def takes_writes(alias: str, write: Callable[[], Any]) -> bool:
    """Ask a database whether it takes what a function writes, which does not stay.

    Whatever it says is no: that it is away, read-only, not migrated, or not for this user.
    """
    try:
        with transaction.atomic(using=alias):
            write()
            if connections[alias].vendor == "postgresql":
                connections[alias].check_constraints()  # those that COMMIT would ask
            transaction.set_rollback(True, using=alias)
    except Exception:
        return False
    return True


class OpenedConnections:
    """Whether this process has ever opened a database connection.

    Asked before each task: looking through the connections of a process that has none would
    take longer than many a task.
    """

    any = False

    @classmethod
    def note(cls, **kwargs: Any) -> None:
        """Receive ``connection_created``."""
        cls.any = True

    @classmethod
    def forget(cls) -> None:
        """Begin anew in a process that was forked: its parent has closed its own before."""
        cls.any = False


connection_created.connect(OpenedConnections.note, dispatch_uid="django_q.servers.connections")


def close_old() -> None:
    """Close the database connections that are past their age or have failed.

    Those inside an atomic block stay: they belong to whoever opened the transaction. What they
    have logged of statements, as with ``DEBUG``, is forgotten: Django does so for each request.
    """
    if not OpenedConnections.any:
        return
    for connection in connections.all(initialized_only=True):
        connection.queries_log.clear()
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
