"""Receive notifications of PostgreSQL, by the connection of either driver."""

from __future__ import annotations

from typing import Any

#: Default parameters of the connection for LISTEN.
LISTENER_CONNECTION_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def listen(wrapper: Any, channel: str) -> Any:
    """Open a connection of the driver that receives the notifications of a channel.

    ``wrapper`` is Django's connection of that database. Raises the errors of the driver.
    """
    listener = wrapper.Database.connect(
        **{**LISTENER_CONNECTION_OPTIONS, **wrapper.get_connection_params()}
    )
    listener.autocommit = True
    listener.cursor().execute(f'LISTEN "{channel}"')
    return listener


def read_notifications(listener: Any) -> list[str]:
    """Read the texts of the notifications that have arrived. Raises the errors of the driver."""
    if raw := getattr(listener, "pgconn", None):
        raw.consume_input()
        return [notification.extra.decode() for notification in iter(raw.notifies, None)]
    listener.poll()
    texts = [notification.payload for notification in listener.notifies]
    listener.notifies.clear()  # psycopg 2 appends them to a list
    return texts
