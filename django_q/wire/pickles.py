"""Pickles of packages, with the time in them written by hand.

``pickle`` takes longer for a datetime and its zone than for all else in a package together: three
classes are looked up by name, and the zone is made anew. What is written here is an ordinary
pickle that any reader takes; what is read may come from any writer. It makes a package in a fifth
of the time, and reads one in less than half.
"""

from __future__ import annotations

import pickle
from datetime import datetime, timezone
from typing import Any

#: The key, and what pickle writes for a datetime before and behind its ten bytes of state: the
#: zone is timezone(timedelta(0, 0, 0)). Then it goes into the dictionary, and that is all.
STARTED_KEY = "started"
DATETIME_PREFIX = b"\x8c\x07started\x8c\x08datetime\x8c\x08datetime\x93C\x0a"
UTC_OPCODES = b"\x8c\x08datetime\x8c\x08timezone\x93\x8c\x08datetime\x8c\x09timedelta\x93"
DATETIME_SUFFIX = UTC_OPCODES + b"K\x00K\x00K\x00\x87R\x85R\x86Rs."
DATETIME_STATE_LENGTH = 10
#: A pickle starts with its protocol; then comes the length of a frame, which is not needed.
PROTOCOL_HEADER, FRAME_HEADER_LENGTH = b"\x80\x05", 11


def dumps(value: Any) -> bytes:
    """Pickle a value; fast where it is a package."""
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
    """Read a pickle; fast where ``dumps`` has written it."""
    end = len(data) - len(DATETIME_SUFFIX) - DATETIME_STATE_LENGTH
    start = end - len(DATETIME_PREFIX)
    if not data.endswith(DATETIME_SUFFIX) or data[start:end] != DATETIME_PREFIX:
        return pickle.loads(data)
    value = pickle.loads(data[:start] + b".")
    value[STARTED_KEY] = datetime(data[end : end + DATETIME_STATE_LENGTH], timezone.utc)
    return value
