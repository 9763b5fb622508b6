"""Which foreign code a process is calling, in memory shared with the sentinel and its successor.

A hook can crash the monitor, as by a fault in a C extension. The sentinel then names the hook in
the log, and the next monitor learns for which task it was called.
"""

from __future__ import annotations

import pickle
from multiprocessing.sharedctypes import RawArray
from typing import Any

from django_q.processes.shared_state.text_region import TextRegion, region_bytes
from django_q.text.printable import printable

#: Bytes for the current call, and for the calls in which earlier processes ended.
CURRENT_CODE_BYTES, PAST_CRASHES_BYTES = 1024, 16_384
#: Tasks in whose calls processes have ended: at most so many are remembered.
MAX_PAST_CRASHES = 50


class ForeignCallRecord:
    """The foreign call of one role in the cluster; only the process of that role writes it."""

    def __init__(self, memory: Any = None) -> None:
        sizes = region_bytes(CURRENT_CODE_BYTES), region_bytes(PAST_CRASHES_BYTES)
        self.memory = RawArray("B", sum(sizes)) if memory is None else memory
        view = memoryview(self.memory).cast("B")
        self.current, self.past = TextRegion(view[: sizes[0]]), TextRegion(view[sizes[0] :])

    def __reduce__(self) -> tuple:
        return ForeignCallRecord, (self.memory,)

    def enter(self, task_id: str, what: str, task: str) -> None:
        """Record that ``what`` is called for a task; ``task`` is its name."""
        text = "\t".join((task_id, printable(what), printable(task)))
        self.current.write_cut(text)

    def leave(self) -> None:
        """Record that the call is over."""
        self.current.clear()

    def read(self) -> tuple[str, str, str]:
        """Read the id of the task, what is called for it, and its name; empty without a call."""
        text = self.current.read().decode(errors="replace")
        task_id, what, task = (text.split("\t") + [""] * 3)[:3]
        return task_id, what, task

    def as_text(self) -> str:
        """Describe the current call and its task; an empty string without a call."""
        _, what, task = self.read()
        return f"{what} on [{task}]" if task else what

    def crash_causes(self) -> dict[str, str]:
        """Map ids of tasks to the calls in which earlier processes of this role have ended."""
        data = self.past.read()
        causes: dict[str, str] = pickle.loads(data) if data else {}
        task_id, what, _ = self.read()
        if what:
            causes.pop(task_id, None)
            causes = dict([*causes.items(), (task_id, what)][-MAX_PAST_CRASHES:])
            while len(data := pickle.dumps(causes)) > PAST_CRASHES_BYTES:
                del causes[next(iter(causes))]
            self.past.write(data)
            self.leave()
        return causes
