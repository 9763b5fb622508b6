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
KEY = "started"
HEAD = b"\x8c\x07started\x8c\x08datetime\x8c\x08datetime\x93C\x0a"
ZONE = b"\x8c\x08datetime\x8c\x08timezone\x93\x8c\x08datetime\x8c\x09timedelta\x93"
TAIL = ZONE + b"K\x00K\x00K\x00\x87R\x85R\x86Rs."
STATE = 10
#: A pickle starts with its protocol; then comes the length of a frame, which is not needed.
PROTOCOL, FRAME = b"\x80\x05", 11


def dumps(value: Any) -> bytes:
    """Pickle a value; fast where it is a package."""
    started = value.get(KEY) if type(value) is dict else None
    if type(started) is not datetime or started.tzinfo is not timezone.utc:
        return pickle.dumps(value, 5)
    rest = dict(value)
    del rest[KEY]
    data = pickle.dumps(rest, 5)
    if int.from_bytes(data[3:FRAME], "little") != len(data) - FRAME:  # there are more frames
        return pickle.dumps(value, 5)
    state = started.__reduce_ex__(5)[1][0]
    return b"".join((PROTOCOL, data[FRAME:-1], HEAD, state, TAIL))


def loads(data: bytes) -> Any:
    """Read a pickle; fast where ``dumps`` has written it."""
    end = len(data) - len(TAIL) - STATE
    start = end - len(HEAD)
    if not data.endswith(TAIL) or data[start:end] != HEAD:
        return pickle.loads(data)
    value = pickle.loads(data[:start] + b".")
    value[KEY] = datetime(data[end : end + STATE], timezone.utc)
    return value
