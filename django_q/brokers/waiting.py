"""Waiting for whichever comes first of several descriptors and a time."""

from __future__ import annotations

import selectors
from collections.abc import Iterable
from typing import Any


def readable(files: Iterable[Any], timeout: float) -> list:
    """Wait until one of the files can be read, ``timeout`` seconds at most. Returns which can."""
    # Not the default, epoll: it takes four more system calls for a set that is used once.
    with selectors.PollSelector() as selector:
        for file in files:
            if file is not None:
                selector.register(file, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(max(timeout, 0))]
