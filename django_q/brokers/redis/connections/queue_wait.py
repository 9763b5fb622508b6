"""Wait for a payload on the list in Redis, on a connection that another descriptor can wake."""

from __future__ import annotations

from typing import Any

import redis
from redis.exceptions import NoPermissionError, NoScriptError, ResponseError

from django_q.descriptor_wait import wait_until_readable

#: Seconds for an answer that is overdue, before the server counts as unreachable.
REPLY_GRACE_SECONDS = 5
#: Seconds of a wait that nothing can end, or that replaces a command that is refused.
SHORT_WAIT_SECONDS = 1
#: What the take script replies in place of a time: that tasks with terms are to be taken; or that
#: nothing is, as the queue is paused, or as many of its tasks are leased as may be.
TASKS_DUE, PAUSED, FULL = -2, -3, -4


class QueueWaitConnection:
    """A connection for blocking commands, which another connection of the client can end."""

    def __init__(self, client: Any) -> None:
        self.unblocking_client = client  # on its other connections the blocking command is ended
        self.client = client.client()
        self.connection = self.client.connection
        try:
            self.connection_id = self.client.client_id()
        except BaseException:
            self.disconnect_client()
            raise

    def take(self, key: str, take: tuple, seconds: float, wake_fd: int | None) -> Any:
        """Wait until a list has something, then run the script ``take``. Returns its reply.

        None when the server does not know the script, and ``[]`` when the wait was ended.

        An element of the list is moved to where it is, which changes nothing. The script is sent
        along with that command: the server runs it as soon as something is pushed, and does not
        run it if this process is killed before.
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
        """Wait for a reply; when ``wake_fd`` becomes readable, end the blocking command.

        Returns False where this user may not end it: then the caller closes the connection, which
        ends it too.
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
        """Close the connection: a reply may be under way that nobody will read."""
        self.connection.disconnect()
        self.client.close()


def open_wait_connection(client: Any) -> QueueWaitConnection | None:
    """Open a connection to wait on; None where a wait could not be ended.

    That is so for a client of several servers, and for a user who may not ask for the id of a
    connection, by which another one unblocks it.
    """
    if not hasattr(client, "client"):
        return None
    try:
        return QueueWaitConnection(client)
    except NoPermissionError:
        return None


def missing_wait_permission(client: Any, key: str) -> NoPermissionError | None:
    """Return the error of a user who may not wait; None of one who may.

    ``key`` must not be a list, so that the command moves nothing.
    """
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
    """Wait until a list has something, for a second at most."""
    seconds = min(seconds, SHORT_WAIT_SECONDS)
    try:
        client.execute_command(*blocking_command(key, seconds), NEVER_DECODE=True)
    except ResponseError:  # the take that follows raises the reason
        wait_until_readable([wake_fd], seconds)


def blocking_command(key: str, seconds: float) -> tuple:
    """Return the command that waits until a list has something, and leaves it there."""
    # Zero would mean for ever.
    return ("BLMOVE", key, key, "LEFT", "LEFT", max(round(seconds, 3), 0.001))


def has_deliveries(taken: list) -> bool:
    """Return True if the reply of the take script contains deliveries, or says that there are."""
    next_end, redelivered, _, new, _ = taken
    return bool(redelivered or new or next_end == TASKS_DUE)
