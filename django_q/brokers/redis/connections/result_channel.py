"""Tell by a Redis channel that tasks have ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from redis import RedisError

from django_q.brokers.contract.result_channel import (
    ChannelFailed,
    ResultChannel,
    Subscription,
)
from django_q.brokers.redis.connections.client import message_client
from django_q.conf import Conf

#: Seconds for the server to confirm a subscription.
CONFIRMATION_TIMEOUT = 1


def results_channel() -> str:
    """Return the name of the channel, which all clusters of a project share."""
    return f"django_q:{Conf.PREFIX}:results"


@contextlib.contextmanager
def errors_told() -> Iterator[None]:
    """Raise ``ChannelFailed`` for errors of the server."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise ChannelFailed(f"Redis: {error}") from error


class RedisSubscription(Subscription):
    """A subscription, on a connection of its own."""

    def __init__(self) -> None:
        self.pubsub: Any = message_client().pubsub()
        try:
            self.pubsub.subscribe(results_channel())
            self.pubsub.get_message(timeout=CONFIRMATION_TIMEOUT)  # raises when it is refused
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor of the connection."""
        return self.pubsub.connection._sock.fileno()

    def read(self) -> set[str]:
        """Read the marks that were told."""
        marks: set[str] = set()
        with errors_told():
            while self.pubsub.connection.can_read(0):
                message = self.pubsub.get_message(timeout=0) or {}
                if message.get("type") == "message":
                    data = message["data"]
                    marks.update((data.decode() if isinstance(data, bytes) else data).split())
        return marks

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(RedisError, OSError):
            self.pubsub.close()


class RedisResultChannel(ResultChannel):
    """The channel of a project on its Redis server, which knows who is subscribed."""

    def tell(self, marks: Sequence[str]) -> bool:
        """Publish marks. Returns whether somebody is subscribed."""
        with errors_told():
            return bool(message_client().publish(results_channel(), " ".join(marks)))

    def subscribe(self) -> Subscription:
        """Subscribe, on a connection of its own."""
        with errors_told():
            return RedisSubscription()
