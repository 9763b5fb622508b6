"""Send Redis commands that must not be run twice.

A Redis client sends a command again when its connection fails, although the server may have run it
before. Here a command is sent again only when the server can not have run it: there was no
connection, not all of it was sent, or the server has answered with a refusal.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import redis
from redis import exceptions

#: Before version 5.3 the pool wants the name of a command with each request for a connection.
GET_CONNECTION_ARGUMENTS = () if redis.VERSION >= (5, 3) else ("RPUSH",)
#: Before version 7 the pool does not try again when the server closes a new connection at once.
POOL_RETRIES_CONNECT = redis.VERSION >= (7,)
#: Errors of a connection without a reply. Their subclasses are replies of a server.
NO_REPLY_ERRORS = (redis.ConnectionError, redis.TimeoutError)
#: Replies to a command that the server has not run, as another one has to.
NOT_RUN_ERRORS = (
    redis.ReadOnlyError,
    exceptions.AskError,
    exceptions.ClusterDownError,
    exceptions.MovedError,
)
#: A pool of fewer connections gets each one back after each call.
MIN_SHARED_POOL_SIZE = 10


class NoReply(Exception):
    """Raised when a command was sent and no reply came; its cause says why."""


class Sender:
    """Sends commands by a client, and keeps one of its connections for the next call.

    To get one from the pool and give it back takes as long as a push itself. Thread-safe: a thread
    that finds no connection here gets one from the pool.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.is_single_server = is_single_server(client)
        self.idle_connections: list[Any] = []  # one at most
        self.pid = os.getpid()

    def send(self, *commands: tuple) -> list:
        """Run commands, all of them or none. Returns the reply to each.

        When nobody knows whether the commands were run, the error of the client says so.
        """
        if not self.is_single_server:
            return send_by_client(self.client, commands)
        if len(commands) == 1:
            return without_error(self.send_all(commands))
        begun, *replies, results = self.send_all((("MULTI",), *commands, ("EXEC",)))
        if isinstance(begun, Exception):  # the server has run each command on its own
            return without_error(replies)
        without_error(replies)
        return without_error(results if isinstance(results, list) else [results])

    def send_all(self, commands: tuple[tuple, ...]) -> list:
        """Send commands on one connection. Returns their replies."""
        connection = self.acquire()
        try:
            return connection.retry.call_with_retry(
                sending_attempt(connection, commands), lambda error: connection.disconnect()
            )
        except NoReply as unanswered:
            connection.disconnect()
            raise in_doubt_error(unanswered.__cause__) from unanswered.__cause__
        except BaseException:
            connection.disconnect()  # a reply that is under way must not be read by the next call
            raise
        finally:
            self.release(connection)

    def acquire(self) -> Any:
        """Get the connection that is kept, or one from the pool; disconnect it if it was closed."""
        if self.pid != os.getpid():  # the kept connection is the parent's
            self.idle_connections, self.pid = [], os.getpid()
        try:
            connection = self.idle_connections.pop()
        except IndexError:
            return connection_from_pool(self.client.connection_pool)
        try:
            closed = connection.can_read(0)  # nothing was sent: only the end can be read
        except (*NO_REPLY_ERRORS, OSError):
            closed = True
        if closed:
            connection.disconnect()
        return connection

    def release(self, connection: Any) -> None:
        """Keep a connection for the next call, or return it to the pool."""
        pool = self.client.connection_pool
        if self.idle_connections or getattr(pool, "max_connections", 0) < MIN_SHARED_POOL_SIZE:
            pool.release(connection)
        else:
            self.idle_connections.append(connection)

    def close(self) -> None:
        """Return the connection that is kept to the pool."""
        while self.idle_connections:
            self.client.connection_pool.release(self.idle_connections.pop())


def is_single_server(client: Any) -> bool:
    """Return True for a client of one server that is no pipeline."""
    return hasattr(client, "connection_pool") and not hasattr(client, "command_stack")


def send_by_client(client: Any, commands: tuple[tuple, ...]) -> list:
    """Run commands by the methods of any other client, such as one of Redis Cluster."""
    if len(commands) == 1:
        return [client.execute_command(*commands[0])]
    with client.pipeline(transaction=True) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        return pipeline.execute()


def connection_from_pool(pool: Any) -> Any:
    """Get a connection from a pool, with the retries that its settings ask for."""
    retry = pool.connection_kwargs.get("retry")
    if retry is None or POOL_RETRIES_CONNECT:
        return pool.get_connection(*GET_CONNECTION_ARGUMENTS)
    return retry.call_with_retry(
        lambda: pool.get_connection(*GET_CONNECTION_ARGUMENTS), lambda error: None
    )


def sending_attempt(connection: Any, commands: tuple[tuple, ...]) -> Callable[[], list]:
    """Make a function that sends commands, and raises ``NoReply`` where they may have been run."""
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
    """Read a reply. An error is returned, as the replies to later commands follow."""
    try:
        return connection.read_response(disable_decoding=True)
    except redis.ResponseError as error:
        return error


def without_error(replies: list) -> list:
    """Return replies, or raise the first error among them."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def is_server_error(error: Exception) -> bool:
    """Return True if an error is the reply of a server: that it loads, or is a replica.

    A connection that Redis Sentinel manages raises another error in place of the latter, and so
    does one of Redis Cluster whose server has the keys no more.
    """
    return type(error) not in NO_REPLY_ERRORS or isinstance(error.__context__, NOT_RUN_ERRORS)


def in_doubt_error(error: BaseException | None) -> Exception:
    """Make the error of a call of which nobody knows whether it was run."""
    kind = redis.TimeoutError if isinstance(error, redis.TimeoutError) else redis.ConnectionError
    return kind(
        f"{str(error).rstrip('.')}. The task may be in the queue or not: Redis was sent it, and "
        "the reply is lost. Enqueue it again if a second run does no harm."
    )
