"""Send Redis what must not arrive twice.

A client of Redis sends a command again when its connection fails, although the server may have
run it before the connection failed. Here a command is sent again only where that can not be:
nobody was connected, not all of it went out, or the server has answered that it will not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import redis

#: Before that version connections have to be asked for in the name of a command.
GET_CONNECTION_ARGUMENTS = () if redis.VERSION >= (5, 3) else ("RPUSH",)
#: Before that version a connection is given up when the server hangs up on its first words.
POOL_RETRIES_CONNECT = redis.VERSION >= (7,)
#: Errors of a connection on which nothing came back; subclasses are answers of a server.
NO_REPLY_ERRORS = (redis.ConnectionError, redis.TimeoutError)
#: Connections below which a pool can spare none that is not in use.
MIN_SHARED_POOL_SIZE = 10


class NoReply(Exception):
    """Raised when a command went out and no reply came; its cause says why."""


class Sender:
    """Sends commands by a client, and keeps a connection of its for the next call.

    To ask the pool for one and to give it back takes as long as a push itself. May be used by
    several threads; those that find no connection here ask the pool.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.is_single_server = is_single_server(client)
        self.idle_connections: list[Any] = []  # one at most
        self.pid = os.getpid()

    def send(self, *commands: tuple) -> Any:
        """Run commands, all of them or none, and give the reply to the last.

        Raises an error of the client that says so when the commands may have been run or not.
        """
        if not self.is_single_server:
            return send_by_client(self.client, commands)
        if len(commands) == 1:
            (reply,) = self.send_all(commands)
            return last_reply([reply])
        begun, *replies, results = self.send_all((("MULTI",), *commands, ("EXEC",)))
        if isinstance(begun, Exception):  # the server has run each command on its own
            return last_reply(replies)
        last_reply(replies)
        return last_reply(results if isinstance(results, list) else [results])

    def send_all(self, commands: tuple[tuple, ...]) -> list:
        """Send commands on a connection, and give their replies."""
        connection = self.take()
        try:
            return connection.retry.call_with_retry(
                sending_attempt(connection, commands), lambda error: connection.disconnect()
            )
        except NoReply as unanswered:
            connection.disconnect()
            raise in_doubt_error(unanswered.__cause__) from unanswered.__cause__
        except BaseException:
            connection.disconnect()  # whatever is still on its way must not be read by the next
            raise
        finally:
            self.give_back(connection)

    def take(self) -> Any:
        """Take a connection: the one that is kept, unless the server has closed it, or another."""
        if self.pid != os.getpid():  # what is kept belongs to the process that was forked
            self.idle_connections, self.pid = [], os.getpid()
        try:
            connection = self.idle_connections.pop()
        except IndexError:
            return connection_from_pool(self.client.connection_pool)
        try:
            closed = connection.can_read(0)  # nothing was asked, so that is the end
        except (*NO_REPLY_ERRORS, OSError):
            closed = True
        if closed:
            connection.disconnect()
        return connection

    def give_back(self, connection: Any) -> None:
        """Keep a connection for the next call, or let others have it."""
        pool = self.client.connection_pool
        if self.idle_connections or getattr(pool, "max_connections", 0) < MIN_SHARED_POOL_SIZE:
            pool.release(connection)
        else:
            self.idle_connections.append(connection)

    def close(self) -> None:
        """Let others have the connection that is kept."""
        while self.idle_connections:
            self.client.connection_pool.release(self.idle_connections.pop())


def is_single_server(client: Any) -> bool:
    """Whether a client has connections to one server, and sends what it is told at once."""
    return hasattr(client, "connection_pool") and not hasattr(client, "command_stack")


def send_by_client(client: Any, commands: tuple[tuple, ...]) -> Any:
    """Let any other client, as one of Redis Cluster, run commands in its own way."""
    if len(commands) == 1:
        return client.execute_command(*commands[0])
    with client.pipeline(transaction=True) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        return pipeline.execute()[-1]


def connection_from_pool(pool: Any) -> Any:
    """Take a connection from a pool, which tries again as it is set up to."""
    retry = pool.connection_kwargs.get("retry")
    if retry is None or POOL_RETRIES_CONNECT:
        return pool.get_connection(*GET_CONNECTION_ARGUMENTS)
    return retry.call_with_retry(
        lambda: pool.get_connection(*GET_CONNECTION_ARGUMENTS), lambda error: None
    )


def sending_attempt(connection: Any, commands: tuple[tuple, ...]) -> Callable[[], list]:
    """Make a function that sends commands, and raises ``NoReply`` if they went out."""
    packed = connection.pack_commands(commands)

    def run() -> list:
        connection.connect()
        connection.send_packed_command(packed)
        try:
            replies = [read_reply(connection) for _ in commands]
        except NO_REPLY_ERRORS as error:
            if is_server_error(error):
                raise
            raise NoReply from error
        if isinstance(replies[-1], Exception):
            connection.disconnect()  # a transaction may be left open on it
        return replies

    return run


def read_reply(connection: Any) -> Any:
    """Read a reply, which may be an error: those behind it are on their way."""
    try:
        return connection.read_response(disable_decoding=True)
    except redis.ResponseError as error:
        return error


def last_reply(replies: list) -> Any:
    """Give the last reply. Raises the first error among them."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies[-1]


def is_server_error(error: Exception) -> bool:
    """Whether an error of a client is what a server has said: that it loads, that it is a replica.

    A connection that Redis Sentinel manages makes an error of its own of the latter.
    """
    return type(error) not in NO_REPLY_ERRORS or isinstance(error.__context__, redis.ReadOnlyError)


def in_doubt_error(error: BaseException | None) -> Exception:
    """Make the error of a call of which nobody knows whether it has enqueued."""
    kind = redis.TimeoutError if isinstance(error, redis.TimeoutError) else redis.ConnectionError
    return kind(
        f"{str(error).rstrip('.')}. The task may be in the queue or not: Redis was sent it, and "
        "the reply is lost. Enqueue it again if a second run does no harm."
    )
