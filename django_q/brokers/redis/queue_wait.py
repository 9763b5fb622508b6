"""A connection to Redis on which a cluster waits for its queue."""

from __future__ import annotations

from typing import Any

import redis
from redis.exceptions import NoPermissionError, NoScriptError, ResponseError

from django_q.descriptor_wait import wait_until_readable

#: Seconds after which a server that should have answered is taken for gone.
REPLY_GRACE_SECONDS = 5
#: Seconds of a wait that nothing can end, or of one in place of a command that is refused.
SHORT_WAIT_SECONDS = 1


class QueueWaitConnection:
    """A connection of its own, for a command that blocks."""

    def __init__(self, client: Any) -> None:
        self.unblocking_client = client  # whose other connections end the command
        self.client = client.client()
        self.connection = self.client.connection
        try:
            self.connection_id = self.client.client_id()
        except BaseException:
            self.disconnect_client()
            raise

    def take(self, key: str, take: tuple, seconds: float, wake_fd: int | None) -> Any:
        """Wait until a list has something, then run a command; gives its reply.

        None when the server does not know the script, and ``[]`` when the wait was ended.

        The list is moved onto itself, which takes nothing, and the command is sent along with
        that: the server runs it the moment something comes, or never when this process is killed.
        """
        connection = self.connection
        connection.send_packed_command(
            connection.pack_commands([blocking_command(key, seconds), take])
        )
        if not self.await_reply(seconds + REPLY_GRACE_SECONDS, wake_fd):
            return []
        refused = None
        try:
            connection.read_response(disable_decoding=True)
        except ResponseError as error:
            refused = error  # the server has run the other command all the same
        try:
            taken = connection.read_response(disable_decoding=True)
        except NoScriptError:
            return None
        if refused and not has_deliveries(taken):
            wait_until_readable([wake_fd], min(seconds, SHORT_WAIT_SECONDS))
        return taken

    def await_reply(self, timeout: float, wake_fd: int | None) -> bool:
        """Wait for a reply; ``wake_fd`` ends the blocking command that is waited for.

        False where this user may not do that. To hang up ends the command as well.
        """
        ready = wait_until_readable([self.connection._sock, wake_fd], timeout)
        if self.connection._sock in ready:
            return True
        if ready:
            try:
                self.unblocking_client.client_unblock(self.connection_id)
            except NoPermissionError:
                return False
            ready = wait_until_readable([self.connection._sock], REPLY_GRACE_SECONDS)
        if not ready:
            raise redis.TimeoutError("The server does not answer.")
        return True

    def disconnect_client(self) -> None:
        """Drop the connection: nobody knows what is on its way."""
        self.connection.disconnect()
        self.client.close()


def open_wait_connection(client: Any) -> QueueWaitConnection | None:
    """Make a connection to wait on; None where a wait could not be ended.

    So it is with a client of several servers, and with a user who may not ask for the number by
    which a connection is woken.
    """
    if not hasattr(client, "client"):
        return None
    try:
        return QueueWaitConnection(client)
    except NoPermissionError:
        return None


def missing_wait_permission(client: Any, key: str) -> NoPermissionError | None:
    """Find out what a user may not do that waits. ``key`` holds no list, so nothing is moved."""
    try:
        client.execute_command(*blocking_command(key, 0.001), NEVER_DECODE=True)
    except NoPermissionError as error:
        return error
    except ResponseError:
        pass
    try:
        if hasattr(client, "client"):
            client.client_id()
    except NoPermissionError as error:
        return error
    return None


def wait_shortly(client: Any, key: str, seconds: float, wake_fd: int | None) -> None:
    """Wait a second at most until a list has something."""
    seconds = min(seconds, SHORT_WAIT_SECONDS)
    try:
        client.execute_command(*blocking_command(key, seconds), NEVER_DECODE=True)
    except ResponseError:  # the take that follows tells what is wrong
        wait_until_readable([wake_fd], seconds)


def blocking_command(key: str, seconds: float) -> tuple:
    """Give the command that waits until a list has something, and leaves it there."""
    # Zero would mean for ever.
    return ("BLMOVE", key, key, "LEFT", "LEFT", max(round(seconds, 3), 0.001))


def has_deliveries(taken: list) -> bool:
    """Whether the reply to a take has deliveries."""
    _, again, _, new = taken
    return bool(again or new)
