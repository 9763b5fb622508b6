"""Explain what Redis refuses, and how to permit it.

A refusal is no outage: it does not end by itself. Redis names the command that a user may not run;
our scripts add the command and the key at which they were refused, see lua/error_wrapper.lua.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from redis import exceptions

#: Codes of errors that end by themselves: the server is full, loads, is a replica ...
TRANSIENT_REDIS_CODES = (
    "OOM LOADING BUSY READONLY MISCONF MASTERDOWN NOREPLICAS CLUSTERDOWN TRYAGAIN MOVED ASK "
    "NOSCRIPT UNBLOCKED"
).split()
#: Errors of redis-py for some of these codes: it removes the code from their text.
TRANSIENT_REDIS_ERRORS = (
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.NoScriptError,
    exceptions.ClusterError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
    exceptions.MovedError,
    exceptions.TryAgainError,
)
#: The beginning of each text below, by which a refusal is recognised.
REFUSAL_PREFIX = "Redis: "
#: Commands that a cluster must be allowed to run in scripts, with the arguments with which
#: lua/check_permissions.lua tries them.
REQUIRED_COMMANDS = (
    "EXISTS",
    "GET",
    "HDEL 0",
    "HGET 0",
    "HLEN",
    "HMGET 0",
    "HSET 0 0",
    "LPUSH 0",
    "LRANGE 0 0",
    "LTRIM 0 -1",
    "RPUSH 0",
    "SET 0 0",
    "ZADD 0 0",
    "ZCOUNT 0 0",
    "ZMSCORE 0",
    "ZRANGE 0 0",
    "ZRANGEBYSCORE 0 0",
    "ZREM 0",
)
#: How errors of our scripts end, and what servers write of a command outside of scripts.
FAILED_COMMAND_PATTERN = re.compile(r", at '([^']*)' of '(.*)'", re.S)
DENIED_COMMAND_PATTERN = re.compile(r"to run the '([^']+)' command")


def refusal_of(error: BaseException, key: str) -> str | None:
    """Explain what a server has refused, and how to permit it; None where it is no refusal.

    ``key`` is that of the queue, for errors that name no key.
    """
    text = str(error)
    if REFUSAL_PREFIX in text:
        return text[text.index(REFUSAL_PREFIX) :]
    if isinstance(error, (exceptions.AuthenticationError, exceptions.AuthorizationError)):
        return f"{REFUSAL_PREFIX}the login is refused ({text}). See Q_CLUSTER['redis']."
    if not isinstance(error, exceptions.ResponseError) or isinstance(error, TRANSIENT_REDIS_ERRORS):
        return None
    if text.split(" ", 1)[0] in TRANSIENT_REDIS_CODES:
        return None
    at = FAILED_COMMAND_PATTERN.search(text)
    if isinstance(error, exceptions.NoPermissionError) or "NOPERM" in text:
        return permission_refusal(text, at, key)
    if text.startswith("WRONGTYPE"):
        return wrong_type_refusal(at[2] if at else key)
    if isinstance(error, exceptions.ExecAbortError):
        return None  # another command's error has the reason
    if "unknown command" in text.lower():
        return f"{REFUSAL_PREFIX}{text.strip()}. Redis 6.2 is the oldest that knows all commands."
    return f"{REFUSAL_PREFIX}a command is refused: {text}"


def permission_refusal(text: str, at: re.Match | None, key: str) -> str:
    """Explain which permission a user lacks: for keys, for a channel or for a command."""
    if re.search(r"\bkeys?\b", text[: at.start()] if at else text):
        return missing_permission(f"use the keys of {key}", f"~{key.removesuffix('q')}*")
    if "channel" in text:
        return missing_permission("use the channel that notifies schedulers", "&django_q:*")
    named = DENIED_COMMAND_PATTERN.search(text)
    return commands_refusal([named[1].lower() if named else at[1] if at else "a command"])


def commands_refusal(commands: Iterable[str]) -> str:
    """Explain which commands a user may not run."""
    # Redis 6.2 does not name the subcommand of CLIENT: we use ID, to unblock a waiting connection.
    commands = sorted({"client|id" if each == "client" else each for each in commands})
    return missing_permission(
        f"run {', '.join(commands)}", " ".join(f"+{each}" for each in commands)
    )


def missing_permission(what: str, rules: str) -> str:
    """Write what a user may not do, and the rules that its ACL lacks."""
    return f"{REFUSAL_PREFIX}this user may not {what}. Add to its ACL: {rules}"


def wrong_type_refusal(key: str) -> str:
    """Explain which key holds a value of another type than ours."""
    return (
        f"{REFUSAL_PREFIX}the key '{key}' holds a value of the wrong type, which something else "
        "has put there. Rename or delete it."
    )
