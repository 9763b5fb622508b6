"""Pickle packages fast, by writing the opcodes of their time here.

``pickle`` takes longer for a datetime and its zone than for all else in a package together: it
looks up three classes by name, and makes the zone again. The result is an ordinary pickle that any
reader can read, and pickles of any writer are read. Writing takes a fifth of the time, reading less
than half.
"""

from __future__ import annotations

import pickle
from datetime import datetime, timezone
from typing import Any

#: The key, and the opcodes before and after the ten bytes of a datetime's state. Those after it
#: make the zone timezone(timedelta(0, 0, 0)), set the item of the dictionary, and end the pickle.
STARTED_KEY = "started"
DATETIME_PREFIX = b"\x8c\x07started\x8c\x08datetime\x8c\x08datetime\x93C\x0a"
UTC_OPCODES = b"\x8c\x08datetime\x8c\x08timezone\x93\x8c\x08datetime\x8c\x09timedelta\x93"
DATETIME_SUFFIX = UTC_OPCODES + b"K\x00K\x00K\x00\x87R\x85R\x86Rs."
DATETIME_STATE_LENGTH = 10
#: A pickle starts with its protocol, then the length of a frame, which is optional.
PROTOCOL_HEADER, FRAME_HEADER_LENGTH = b"\x80\x05", 11


def dumps(value: Any) -> bytes:
    """Pickle a value; fast if it is a package whose time is in UTC."""
    started = value.get(STARTED_KEY) if type(value) is dict else None
    if type(started) is not datetime or started.tzinfo is not timezone.utc:
        return pickle.dumps(value, 5)
    rest = dict(value)
    del rest[STARTED_KEY]
    data = pickle.dumps(rest, 5)
    if (
        int.from_bytes(data[3:FRAME_HEADER_LENGTH], "little") != len(data) - FRAME_HEADER_LENGTH
    ):  # there are more frames
        return pickle.dumps(value, 5)
    state = started.__reduce_ex__(5)[1][0]
    return b"".join(
        (PROTOCOL_HEADER, data[FRAME_HEADER_LENGTH:-1], DATETIME_PREFIX, state, DATETIME_SUFFIX)
    )


def loads(data: bytes) -> Any:
    """Read a pickle; fast if ``dumps`` has written it the fast way."""
    end = len(data) - len(DATETIME_SUFFIX) - DATETIME_STATE_LENGTH
    start = end - len(DATETIME_PREFIX)
    if not data.endswith(DATETIME_SUFFIX) or data[start:end] != DATETIME_PREFIX:
        return pickle.loads(data)
    value = pickle.loads(data[:start] + b".")
    value[STARTED_KEY] = datetime(data[end : end + DATETIME_STATE_LENGTH], timezone.utc)
    return value
