"""In whose code a process is, in memory that its parent and the process after it read.

A hook can end the monitor, as by a fault in a C extension. The sentinel then names it in the log,
and the next monitor learns over which task it was.
"""

from __future__ import annotations

import pickle
from multiprocessing.sharedctypes import RawArray
from typing import Any

from django_q.text.printable import printable

#: Bytes of what is called now, and of what earlier processes ended in.
CURRENT_CODE_BYTES, PAST_CRASHES_BYTES = 1024, 16_384
#: Tasks over which processes have ended that are remembered.
MAX_PAST_CRASHES = 50
#: Bytes in front of each of both that tell how long it is.
LENGTH_PREFIX_BYTES = 4


class ForeignCallRecord:
    """The memory of one place in the cluster; only its process writes."""

    def __init__(self, memory: Any = None) -> None:
        self.memory = (
            RawArray("B", 2 * LENGTH_PREFIX_BYTES + CURRENT_CODE_BYTES + PAST_CRASHES_BYTES)
            if memory is None
            else memory
        )
        view = memoryview(self.memory).cast("B")
        self.current, self.past = (
            view[: LENGTH_PREFIX_BYTES + CURRENT_CODE_BYTES],
            view[LENGTH_PREFIX_BYTES + CURRENT_CODE_BYTES :],
        )

    def __reduce__(self) -> tuple:
        return ForeignCallRecord, (self.memory,)

    def enter(self, task_id: str, what: str, task: str) -> None:
        """Write down who is called over which task."""
        text = "\t".join((task_id, printable(what), printable(task)))
        write_length_prefixed(self.current, text.encode(errors="replace")[:CURRENT_CODE_BYTES])

    def leave(self) -> None:
        """Write down that the call is over."""
        self.current[:LENGTH_PREFIX_BYTES] = bytes(LENGTH_PREFIX_BYTES)

    def read(self) -> tuple[str, str, str]:
        """Tell the id of a task, who is called over it, and its name; empty where nobody is."""
        text = read_length_prefixed(self.current).decode(errors="replace")
        task_id, what, task = (text.split("\t") + [""] * 3)[:3]
        return task_id, what, task

    def as_text(self) -> str:
        """Say who is called over which task; nothing where nobody is."""
        _, what, task = self.read()
        return f"{what} on [{task}]" if task else what

    def crash_causes(self) -> dict[str, str]:
        """Tell by task in whose code earlier processes of this place have ended."""
        data = read_length_prefixed(self.past)
        killers: dict[str, str] = pickle.loads(data) if data else {}
        task_id, what, _ = self.read()
        if what:
            killers.pop(task_id, None)
            killers = dict([*killers.items(), (task_id, what)][-MAX_PAST_CRASHES:])
            while len(data := pickle.dumps(killers)) > PAST_CRASHES_BYTES:
                del killers[next(iter(killers))]
            write_length_prefixed(self.past, data)
            self.leave()
        return killers


def write_length_prefixed(memory: memoryview, data: bytes) -> None:
    """Write data, which count as none until all of them are there."""
    memory[:LENGTH_PREFIX_BYTES] = bytes(LENGTH_PREFIX_BYTES)
    memory[LENGTH_PREFIX_BYTES : LENGTH_PREFIX_BYTES + len(data)] = data
    memory[:LENGTH_PREFIX_BYTES] = len(data).to_bytes(LENGTH_PREFIX_BYTES, "little")


def read_length_prefixed(memory: memoryview) -> bytes:
    """Read data."""
    return bytes(
        memory[
            LENGTH_PREFIX_BYTES : LENGTH_PREFIX_BYTES
            + int.from_bytes(memory[:LENGTH_PREFIX_BYTES], "little")
        ]
    )
