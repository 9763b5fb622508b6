"""A connection to Redis on which a cluster waits for its queue."""

from __future__ import annotations

from typing import Any

import redis
from redis.exceptions import NoPermissionError, NoScriptError, ResponseError

from django_q.descriptor_wait import readable

#: Seconds after which a server that should have answered is taken for gone.
GRACE = 5
#: Seconds of a wait that nothing can end, or of one in place of a command that is refused.
SHORT_WAIT = 1


class Line:
    """A connection of its own, for a command that blocks."""

    def __init__(self, client: Any) -> None:
        self.server = client  # whose other connections end the command
        self.client = client.client()
        self.connection = self.client.connection
        try:
            self.number = self.client.client_id()
        except BaseException:
            self.hang_up()
            raise

    def take(self, key: str, take: tuple, seconds: float, wake_fd: int | None) -> Any:
        """Wait until a list has something, then run a command; gives its reply.

        None when the server does not know the script, and ``[]`` when the wait was ended.

        The list is moved onto itself, which takes nothing, and the command is sent along with
        that: the server runs it the moment something comes, or never when this process is killed.
        """
        connection = self.connection
        connection.send_packed_command(connection.pack_commands([move(key, seconds), take]))
        if not self.await_reply(seconds + GRACE, wake_fd):
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
        if refused and not has_any(taken):
            readable([wake_fd], min(seconds, SHORT_WAIT))
        return taken

    def await_reply(self, timeout: float, wake_fd: int | None) -> bool:
        """Wait for a reply; ``wake_fd`` ends the blocking command that is waited for.

        False where this user may not do that. To hang up ends the command as well.
        """
        ready = readable([self.connection._sock, wake_fd], timeout)
        if self.connection._sock in ready:
            return True
        if ready:
            try:
                self.server.client_unblock(self.number)
            except NoPermissionError:
                return False
            ready = readable([self.connection._sock], GRACE)
        if not ready:
            raise redis.TimeoutError("The server does not answer.")
        return True

    def hang_up(self) -> None:
        """Drop the connection: nobody knows what is on its way."""
        self.connection.disconnect()
        self.client.close()


def line_to(client: Any) -> Line | None:
    """Make a connection to wait on; None where a wait could not be ended.

    So it is with a client of several servers, and with a user who may not ask for the number by
    which a connection is woken.
    """
    if not hasattr(client, "client"):
        return None
    try:
        return Line(client)
    except NoPermissionError:
        return None


def lacking(client: Any, key: str) -> NoPermissionError | None:
    """Find out what a user may not do that waits. ``key`` holds no list, so nothing is moved."""
    try:
        client.execute_command(*move(key, 0.001), NEVER_DECODE=True)
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
    seconds = min(seconds, SHORT_WAIT)
    try:
        client.execute_command(*move(key, seconds), NEVER_DECODE=True)
    except ResponseError:  # the take that follows tells what is wrong
        readable([wake_fd], seconds)


def move(key: str, seconds: float) -> tuple:
    """Give the command that waits until a list has something, and leaves it there."""
    # Zero would mean for ever.
    return ("BLMOVE", key, key, "LEFT", "LEFT", max(round(seconds, 3), 0.001))


def has_any(taken: list) -> bool:
    """Whether the reply to a take has deliveries."""
    _, again, _, new = taken
    return bool(again or new)
