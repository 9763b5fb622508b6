"""Connect to the current master of a Redis Sentinel deployment."""

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
#: The port of a sentinel whose address names none.
DEFAULT_SENTINEL_PORT = 26379
EXPECTED_OPTIONS_TEXT = (
    "expected {'sentinels': [('host', 26379), ...], 'service_name': 'mymaster'}, "
    "or 'sentinel://host:26379,host2:26379/0?service_name=mymaster'"
)


class MasterReconnect:
    """Asks the sentinels for the master whenever a connection is opened again.

    The connection of redis-py would return to the server it knew first, which may be a replica now.
    """

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        """Connect to the master unless connected, then send."""
        self.connect()
        super().send_packed_command(*args, **kwargs)


class MasterConnection(MasterReconnect, SentinelManagedConnection):
    """A connection to the master."""


class MasterSSLConnection(MasterReconnect, SentinelManagedSSLConnection):
    """An encrypted connection to the master."""


def is_sentinel(options: Mapping[str, Any]) -> bool:
    """Return True if the options of a client name sentinels in place of a server."""
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
    """Return the arguments of ``redis.sentinel.Sentinel``, and ``service_name``.

    Raises ``ImproperlyConfigured``, whose text never contains a password.
    """
    options = dict(options)
    if url := options.pop("url", None):
        options |= options_from_url(url)
    if not options.get("service_name"):
        raise invalid_options_error("no service_name")
    if not isinstance(options["sentinels"], (list, tuple)) or not options["sentinels"]:
        raise invalid_options_error("no list of sentinels")
    options["sentinels"] = [parse_address(*each) for each in enumerate(options["sentinels"], 1)]
    # The same time-outs as for the servers, without retries: the next sentinel is asked instead.
    own = {key: value for key, value in options.items() if key.startswith("socket_")}
    own["retry"] = Retry(NoBackoff(), 0)
    options["sentinel_kwargs"] = own | (options.get("sentinel_kwargs") or {})
    return options


def options_from_url(url: str) -> dict[str, Any]:
    """Parse a sentinel URL: a list of hosts, and for the rest as a URL of Redis."""
    try:
        parts = urlsplit(url)
        login, at, hosts = parts.netloc.rpartition("@")
        options = parse_url(urlunsplit(parts._replace(scheme="redis", netloc=f"{login}{at}any")))
    except ValueError as error:
        raise invalid_options_error("a URL that can not be read") from error
    del options["host"]
    return {**options, "sentinels": [host for host in hosts.split(",") if host]}


def parse_address(number: int, sentinel: Any) -> tuple[str, int]:
    """Parse the address of a sentinel: ``"host"``, ``"host:26379"`` or ``("host", 26379)``."""
    if address := read_address(sentinel, DEFAULT_SENTINEL_PORT):
        return address
    raise invalid_options_error(
        f"sentinel {number} without a host, or with a port that is no number"
    )


def read_address(address: Any, default_port: int) -> tuple[str, int] | None:
    """Read the address of a server: ``"host"``, ``"host:1234"`` or ``("host", 1234)``.

    None for what is no address.
    """
    try:
        if isinstance(address, str):
            parts = urlsplit(f"//{address}")
            host, port = parts.hostname, parts.port or default_port
        else:
            host, port = address
        return (host, int(port)) if host and isinstance(host, str) else None
    except (TypeError, ValueError):
        return None


def invalid_options_error(got: str) -> ImproperlyConfigured:
    """Make the error that says what was expected, and what is wrong."""
    return ImproperlyConfigured(f"Q_CLUSTER['redis']: {EXPECTED_OPTIONS_TEXT}; got {got}.")
