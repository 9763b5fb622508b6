"""The Redis that a deployment of Redis Sentinel names: whichever server is the master now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import (
    Sentinel,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

SENTINEL_URL_SCHEME = "sentinel://"
#: The port that sentinels listen on unless told.
DEFAULT_SENTINEL_PORT = 26379
EXPECTED_OPTIONS_TEXT = (
    "expected {'sentinels': [('host', 26379), ...], 'service_name': 'mymaster'}, "
    "or 'sentinel://host:26379,host2:26379/0?service_name=mymaster'"
)


class MasterReconnect:
    """Asks the sentinels for the master again when a connection has ended.

    That of redis-py goes back to the server it knew first, which is a replica by now.
    """

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        """Send, connected to the master."""
        self.connect()
        super().send_packed_command(*args, **kwargs)


class MasterConnection(MasterReconnect, SentinelManagedConnection):
    """A connection to the master."""


class MasterSSLConnection(MasterReconnect, SentinelManagedSSLConnection):
    """A connection to the master, encrypted."""


def is_sentinel(options: Mapping[str, Any]) -> bool:
    """Whether the options of a client name sentinels, and no server."""
    return "sentinels" in options or str(options.get("url") or "").startswith(SENTINEL_URL_SCHEME)


def connect_to_master(options: Mapping[str, Any]) -> Any:
    """Make a client that asks the sentinels for the master whenever it connects."""
    options = parse_sentinel_options(options)
    service_name = options.pop("service_name")
    options.setdefault(
        "connection_class", MasterSSLConnection if options.pop("ssl", 0) else MasterConnection
    )
    return Sentinel(options.pop("sentinels"), **options).master_for(service_name)


def parse_sentinel_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments of ``redis.sentinel.Sentinel``, and ``service_name``.

    Raises ``ImproperlyConfigured``. No word of it tells a password.
    """
    options = dict(options)
    if url := options.pop("url", None):
        options |= options_from_url(url)
    if not options.get("service_name"):
        raise invalid_options_error("no service_name")
    if not isinstance(options["sentinels"], (list, tuple)) or not options["sentinels"]:
        raise invalid_options_error("no list of sentinels")
    options["sentinels"] = [parse_address(*each) for each in enumerate(options["sentinels"], 1)]
    # As the servers are spoken to. One that does not answer is passed over for the next.
    own = {key: value for key, value in options.items() if key.startswith("socket_")}
    own["retry"] = Retry(NoBackoff(), 0)
    options["sentinel_kwargs"] = own | (options.get("sentinel_kwargs") or {})
    return options


def options_from_url(url: str) -> dict[str, Any]:
    """Take a URL apart; what it says besides the sentinels is as in a URL of Redis."""
    try:
        parts = urlsplit(url)
        login, at, hosts = parts.netloc.rpartition("@")
        options = parse_url(urlunsplit(parts._replace(scheme="redis", netloc=f"{login}{at}any")))
    except ValueError as error:
        raise invalid_options_error("a URL that can not be read") from error
    del options["host"]
    return {**options, "sentinels": [host for host in hosts.split(",") if host]}


def parse_address(number: int, sentinel: Any) -> tuple[str, int]:
    """Read where a sentinel listens: ``"host"``, ``"host:26379"`` or ``("host", 26379)``."""
    try:
        if isinstance(sentinel, str):
            parts = urlsplit(f"//{sentinel}")
            host, port = parts.hostname, parts.port or DEFAULT_SENTINEL_PORT
        else:
            host, port = sentinel
        if host and isinstance(host, str):
            return host, int(port)
    except (TypeError, ValueError):
        pass
    raise invalid_options_error(
        f"sentinel {number} without a host, or with a port that is no number"
    )


def invalid_options_error(got: str) -> ImproperlyConfigured:
    """Make the error that says what was expected."""
    return ImproperlyConfigured(f"Q_CLUSTER['redis']: {EXPECTED_OPTIONS_TEXT}; got {got}.")
