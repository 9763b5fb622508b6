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
CURRENT, PAST = 1024, 16_384
#: Tasks over which processes have ended that are remembered.
REMEMBERED = 50
#: Bytes in front of each of both that tell how long it is.
LENGTH = 4


class Doorway:
    """The memory of one place in the cluster; only its process writes."""

    def __init__(self, memory: Any = None) -> None:
        self.memory = RawArray("B", 2 * LENGTH + CURRENT + PAST) if memory is None else memory
        view = memoryview(self.memory).cast("B")
        self.current, self.past = view[: LENGTH + CURRENT], view[LENGTH + CURRENT :]

    def __reduce__(self) -> tuple:
        return Doorway, (self.memory,)

    def enter(self, task_id: str, what: str, task: str) -> None:
        """Write down who is called over which task."""
        text = "\t".join((task_id, printable(what), printable(task)))
        write(self.current, text.encode(errors="replace")[:CURRENT])

    def leave(self) -> None:
        """Write down that the call is over."""
        self.current[:LENGTH] = bytes(LENGTH)

    def read(self) -> tuple[str, str, str]:
        """Tell the id of a task, who is called over it, and its name; empty where nobody is."""
        text = read(self.current).decode(errors="replace")
        task_id, what, task = (text.split("\t") + [""] * 3)[:3]
        return task_id, what, task

    def said(self) -> str:
        """Say who is called over which task; nothing where nobody is."""
        _, what, task = self.read()
        return f"{what} on [{task}]" if task else what

    def killers(self) -> dict[str, str]:
        """Tell by task in whose code earlier processes of this place have ended."""
        data = read(self.past)
        killers: dict[str, str] = pickle.loads(data) if data else {}
        task_id, what, _ = self.read()
        if what:
            killers.pop(task_id, None)
            killers = dict([*killers.items(), (task_id, what)][-REMEMBERED:])
            while len(data := pickle.dumps(killers)) > PAST:
                del killers[next(iter(killers))]
            write(self.past, data)
            self.leave()
        return killers


def write(memory: memoryview, data: bytes) -> None:
    """Write data, which count as none until all of them are there."""
    memory[:LENGTH] = bytes(LENGTH)
    memory[LENGTH : LENGTH + len(data)] = data
    memory[:LENGTH] = len(data).to_bytes(LENGTH, "little")


def read(memory: memoryview) -> bytes:
    """Read data."""
    return bytes(memory[LENGTH : LENGTH + int.from_bytes(memory[:LENGTH], "little")])
